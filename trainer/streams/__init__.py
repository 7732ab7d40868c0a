"""Streams: long recordings in which it is known where the word is said, composed or recorded."""
