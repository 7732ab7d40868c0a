"""Untrusted audio files, levels, the extent of a word, and the manifests of splits."""
