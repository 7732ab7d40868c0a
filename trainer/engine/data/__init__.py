"""Clips in memory, windows and batches of them."""
