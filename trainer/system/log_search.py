"""Lines of a whole log that hold some words, however long the file."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from trainer.system import regular_file, shown_text

LONGEST_READ = 1 << 16


def find(path: Path, words: str, most: int) -> tuple[list[tuple[int, str]], int]:
    """The last `most` lines (1, 2, ...) in which every word stands, in any case, and how many there are in all.

    None when the file does not exist. Raises OSError otherwise.
    """
    wanted = [word.casefold() for word in words.split()]
    found: deque[tuple[int, str]] = deque(maxlen=most)
    count = 0
    try:
        with regular_file.open_binary(path) as file:
            for number, data in enumerate(iter(lambda: file.readline(LONGEST_READ), b""), 1):
                line = data.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
                if all(word in line.casefold() for word in wanted):
                    count += 1
                    found.append((number, line))
    except FileNotFoundError:
        return [], 0
    return [(number, shown_text.clean(line)) for number, line in found], count
