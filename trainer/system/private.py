"""Owner-only permissions for the workspace: folders 0700, files 0600, by the umask of every process.

Whoever can read a lock file can hold it (flock requires no more) and so keep trainings from starting. Folders and locks
of an earlier version with wider permissions are restricted when their owner opens them.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainer.system import regular_file

UMASK = 0o077
FOLDERS = ("data", "runs", "configs/.drafts", "configs/.trash")
"""Of a workspace. Not `configs`: its presets may be read by other users of one installation."""


@functools.cache
def begin() -> int:
    """Make new files of this process and its children private to this user; returns the previous umask."""
    return os.umask(UMASK)


def opener(path: str, flags: int) -> int:
    """An opener for `open` that creates private files whatever the umask. Raises OSError when the path is not a regular
    file: opening a pipe would block."""
    return regular_file.open_descriptor(Path(path), flags, 0o600)


@contextmanager
def as_user_shares() -> Iterator[None]:
    """Restore the user's own umask within the block, for files outside the workspace. Not thread-safe."""
    own = os.umask(begin())
    try:
        yield
    finally:
        os.umask(own)


def close_workspace(root: Path) -> None:
    """Make the folders of a workspace private; links, missing folders and those of other users are left unchanged."""
    for name in FOLDERS:
        with suppress(OSError):
            descriptor = os.open(root / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                close(descriptor)
            finally:
                os.close(descriptor)


def close(descriptor: int) -> None:
    """Make an open file or folder private if this user owns it; file systems without modes are left unchanged."""
    facts = os.fstat(descriptor)
    if facts.st_uid == os.geteuid() and facts.st_mode & UMASK:
        with suppress(OSError):
            os.fchmod(descriptor, facts.st_mode & 0o700)
