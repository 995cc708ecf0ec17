"""AllTracker (Harley et al. 2025, "Efficient Dense Point Tracking at High Resolution"): every pixel at once.

The published weights load unchanged; code and weights of the authors are under the MIT licence.
"""
