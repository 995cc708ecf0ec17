"""ComfyUI nodes: thin shells that unpack host types, call `pointvid`, and wrap the result.

One file is one step of the graph. Importing a node file touches neither torch nor pointvid: `execute` does.
"""
