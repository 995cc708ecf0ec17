"""The joint model as a native ComfyUI MODEL: latent format, model classes, text encoder, loading.

These modules subclass the host's classes, so they are imported only inside a node's `execute`.
"""
