"""SpaTracker (Xiao et al. 2024, "Tracking Any 2D Pixels in 3D Space"), written from the paper and the weights' layout.

The authors' weights are under CC BY-NC 4.0: not for commercial use, and neither is what they compute. Nothing here
chooses this tracker by itself.
"""
