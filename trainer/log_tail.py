"""The end of a log, however long the file."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOST_BYTES = 64 << 10
LONGEST_LINE = 4096
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(line: str) -> str:
    """A line safe to show: no terminal escapes, control characters or marks that turn the direction of text."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", _ESCAPES.sub("", line))[:LONGEST_LINE]


def last_lines(path: Path, lines: int = 100, most: int = MOST_BYTES) -> list[str]:
    """The last lines of a file, reading at most its last `most` bytes; none when it does not exist."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            data = file.read(most)
    except FileNotFoundError:
        return []
    found = data.decode("utf-8", "replace").split("\n")
    if size > most:
        found = found[1:]  # the first one is cut
    # A progress bar redraws its line with \r: only what stood there last is a line.
    return [clean(line.rstrip("\r").rpartition("\r")[2]) for line in found if line.strip()][-lines:]
