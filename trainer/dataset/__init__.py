"""Clips on disk: importing, scanning, findings, speakers, splits."""
