"""Owner-only permissions for the workspace: folders 0700, files 0600, by the umask of every process.

Whoever can read a lock file can hold it (flock asks for no more), so that no training starts. Folders and locks that
an earlier version made wider are closed when they are opened by their owner.
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
    """Let all that this process and its children make be for this user alone; returns the umask before."""
    return os.umask(UMASK)


def opener(path: str, flags: int) -> int:
    """For `open`, in a process that is not ours and has its own umask. Raises OSError when something else than a file
    is there: a pipe would be waited for."""
    return regular_file.open_descriptor(Path(path), flags, 0o600)


@contextmanager
def as_user_shares() -> Iterator[None]:
    """With the user's own umask, for files outside the workspace. For one thread."""
    private = os.umask(begin())
    try:
        yield
    finally:
        os.umask(private)


def close_workspace(root: Path) -> None:
    """Close the folders of a workspace to others; what is a link, missing or not ours is left as it is."""
    for name in FOLDERS:
        with suppress(OSError):
            descriptor = os.open(root / name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                close(descriptor)
            finally:
                os.close(descriptor)


def close(descriptor: int) -> None:
    """Close an open file or folder to others, when it is ours; a disk that keeps no modes is left as it is."""
    facts = os.fstat(descriptor)
    if facts.st_uid == os.geteuid() and facts.st_mode & UMASK:
        with suppress(OSError):
            os.fchmod(descriptor, facts.st_mode & 0o700)
