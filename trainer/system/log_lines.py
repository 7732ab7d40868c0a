"""Lines of a text log: writes them with the time of day (`[23:45:18] Starting training...`), reads and finds them."""

from __future__ import annotations

import os
import sys
from collections import deque
from datetime import datetime
from pathlib import Path

from trainer.system import display_text, regular_file

LONGEST_READ = 1 << 16
MOST_BYTES = 64 << 10


def find(path: Path, words: str, most: int) -> tuple[list[tuple[int, str]], int]:
    """The last `most` lines that contain every word, in any case, with their numbers (1, 2, ...), and the count of all.

    No lines when the file does not exist. Raises OSError otherwise.
    """
    wanted = [word.casefold() for word in words.split()]
    matches: deque[tuple[int, str]] = deque(maxlen=most)
    count = 0
    try:
        with regular_file.open_binary(path) as file:
            for number, data in enumerate(iter(lambda: file.readline(LONGEST_READ), b""), 1):
                line = data.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
                if all(word in line.casefold() for word in wanted):
                    count += 1
                    matches.append((number, line))
    except FileNotFoundError:
        return [], 0
    return [(number, display_text.clean(line)) for number, line in matches], count


def last_lines(path: Path, lines: int = 100, most: int = MOST_BYTES) -> list[str]:
    """The last lines of a file, reading at most its last `most` bytes; none when it does not exist."""
    try:
        with regular_file.open_binary(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            data = file.read(most)
    except FileNotFoundError:
        return []
    complete = data.decode("utf-8", "replace").split("\n")
    if size > most:
        complete = complete[1:]  # the first line is cut off
    # A progress bar redraws its line with \r: only its last state is a line.
    return [display_text.clean(line.rstrip("\r").rpartition("\r")[2]) for line in complete if line.strip()][-lines:]


def say(text: str) -> None:
    """Write one line to the log; a log that cannot be written (disk full) must not end a training."""
    stamp = datetime.now().astimezone().strftime("%H:%M:%S")
    try:
        sys.stdout.write(f"[{stamp}] {display_text.clean_lines(text)}\n")
        sys.stdout.flush()
    except OSError:
        pass


def clock_time(seconds: float | None) -> str:
    """Seconds as HH:MM:SS; `--:--:--` when unknown."""
    if seconds is None:
        return "--:--:--"
    whole = max(0, round(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
