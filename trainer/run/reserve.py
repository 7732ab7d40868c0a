"""A little disk kept aside in the folder of a run that is active, so that its last word fits on a full disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from trainer.system import durable

NAME = "reserve"
BYTES = 64 << 10


def keep(folder: Path) -> None:
    """Put the reserve aside, random bytes lest a file system packs them; without room for it there is none."""
    with suppress(OSError):
        durable.replace_bytes(folder / NAME, os.urandom(BYTES))


def release(folder: Path) -> None:
    """Give the room back."""
    with suppress(OSError):
        (folder / NAME).unlink(missing_ok=True)


def replace_json(path: Path, document: object) -> None:
    """Replace a JSON document of the run's folder, in the room of the reserve if need be. Raises OSError."""
    try:
        durable.replace_json(path, document)
    except OSError:
        release(path.parent)
        durable.replace_json(path, document)
