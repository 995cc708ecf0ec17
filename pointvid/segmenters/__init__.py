"""Labels -> masks of the objects in a frame."""
