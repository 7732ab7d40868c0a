"""Augmentation of whole batches on the training device.

`draws` says what is done to each window, `chain` does it; every function of the other modules is a pure function of
sound and parameters, one row per window.
"""
