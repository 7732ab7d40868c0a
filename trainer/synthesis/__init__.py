"""Synthetic clips: voices, phrases, noise, rooms."""
