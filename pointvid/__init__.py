"""PointVid: video with the 3D trajectory of every foreground pixel.

Importing this package touches neither torch nor any other heavy library; its modules do when they are imported.
`docs/architecture.md` says which room holds what.
"""

__version__ = "0.1.0"
