"""The end of a log, however long the file."""

from __future__ import annotations

import os
from pathlib import Path

from trainer.system import regular_file
from trainer.system.shown_text import clean

MOST_BYTES = 64 << 10


def last_lines(path: Path, lines: int = 100, most: int = MOST_BYTES) -> list[str]:
    """The last lines of a file, reading at most its last `most` bytes; none when it does not exist."""
    try:
        with regular_file.open_binary(path) as file:
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
