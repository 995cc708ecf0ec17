"""Point trackers behind one protocol; `base.create_tracker` finds them by name."""
