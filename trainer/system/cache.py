"""Derived data in `data/cache`: folders that are either complete or absent."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

UNUSED_DAYS = 30
"""Unused entries older than this are removed when a new one is made; they can be computed again."""
PARTIAL_DAYS = 1
"""An older partial folder was left by a killed process: nothing takes so long."""
_DAY = 86_400


def _partial(folder: Path) -> Path:
    """A name beside the folder that counts as none."""
    return folder.with_name(f"{folder.name}.partial.{os.getpid()}.{secrets.token_hex(2)}")


def made(folder: Path, is_whole: Callable[[], bool], make: Callable[[Path], None]) -> bool:
    """Have `make` fill the folder unless it is whole; returns whether it was made now.

    It is filled under another name, and the first of two who make the same keeps it: same name, same content. Raises
    what `make` does, OSError.
    """
    if is_whole():
        with suppress(OSError):
            os.utime(folder)  # used now
        return False
    partial = _partial(folder)
    partial.mkdir(parents=True)
    try:
        make(partial)
        if folder.exists() and not is_whole():
            shutil.rmtree(folder)  # one that is damaged
        partial.rename(folder)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)  # a partial folder is useless and may be large
        if not (isinstance(error, OSError) and is_whole()):
            raise
    return True


def prune(cache: Path) -> None:
    """Remove unused arrays (folders with an index.json) and partial folders."""
    for folder in list(cache.iterdir()):
        with suppress(OSError):  # another process removes it, or uses it now
            days = (time.time() - folder.stat().st_mtime) / _DAY
            if ".partial." in folder.name:
                if days > PARTIAL_DAYS:
                    shutil.rmtree(folder)
            elif days > UNUSED_DAYS and (folder / "index.json").exists():
                gone = _partial(folder)
                folder.rename(gone)  # atomic, so that no reader finds a partial folder
                shutil.rmtree(gone)
