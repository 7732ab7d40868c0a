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
"""Entries unused for longer are removed when a new one is created; they can be computed again."""
PARTIAL_DAYS = 1
"""Older partial folders were left by a killed process."""
_DAY = 86_400


def _partial(folder: Path) -> Path:
    """The name of a temporary folder beside this one."""
    return folder.with_name(f"{folder.name}.partial.{os.getpid()}.{secrets.token_hex(2)}")


def ensure(folder: Path, is_complete: Callable[[], bool], make: Callable[[Path], None]) -> bool:
    """Fill the folder with `make` unless it is complete; returns whether it was filled.

    `make` fills a temporary folder, which is then renamed. Of two processes that fill the same folder the first one
    wins; their contents are equal. Raises what `make` raises, and OSError.
    """
    if is_complete():
        with suppress(OSError):
            os.utime(folder)  # marks it as used
        return False
    partial = _partial(folder)
    partial.mkdir(parents=True)
    try:
        make(partial)
        if folder.exists() and not is_complete():
            shutil.rmtree(folder)  # it is damaged
        partial.rename(folder)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)  # a partial folder is useless and may be large
        if not (isinstance(error, OSError) and is_complete()):
            raise
    return True


def prune(cache: Path) -> None:
    """Remove unused arrays (folders with an index.json) and partial folders."""
    for folder in list(cache.iterdir()):
        with suppress(OSError):  # another process removes or uses it
            days = (time.time() - folder.stat().st_mtime) / _DAY
            if ".partial." in folder.name:
                if days > PARTIAL_DAYS:
                    shutil.rmtree(folder)
            elif days > UNUSED_DAYS and (folder / "index.json").exists():
                removed = _partial(folder)
                folder.rename(removed)  # atomic, so that no reader finds a partial folder
                shutil.rmtree(removed)
