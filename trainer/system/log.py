"""Lines of the training log as a person reads them: `[23:45:18] Starting training...`."""

from __future__ import annotations

import sys
from datetime import datetime

from trainer.system import shown_text


def say(text: str) -> None:
    """Write one line to the log; a log that cannot be written (disk full) must not end a training."""
    stamp = datetime.now().astimezone().strftime("%H:%M:%S")
    try:
        sys.stdout.write(f"[{stamp}] {shown_text.clean_lines(text)}\n")
        sys.stdout.flush()
    except OSError:
        pass


def clock_time(seconds: float | None) -> str:
    """Seconds as HH:MM:SS; `--:--:--` when there is nothing to tell."""
    if seconds is None:
        return "--:--:--"
    whole = max(0, round(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
