"""Configurations: every option declared once, files, presets, the saved ones."""
