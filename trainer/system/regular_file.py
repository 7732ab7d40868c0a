"""Opening files safely: pipes, sockets and devices are refused before they are opened, as they could block or act."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

SAFELY = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
"""Flags of opening; Windows has only the last one, and no one else has it."""
NOT_REGULAR = "It is a pipe, a socket or a device, not a file; remove it"


class NotRegularError(FileNotFoundError):
    """The path is not a regular file; callers for whom the file is optional treat it as missing."""


def open_binary(path: Path) -> BufferedReader:
    """Open a regular file for reading. Raises OSError, with the path, as `open` does and for anything else."""
    return os.fdopen(open_descriptor(path, os.O_RDONLY), "rb")


def open_descriptor(path: Path, flags: int, mode: int = 0o600) -> int:
    """As `os.open`. Raises OSError, with the path, also when it is not a regular file."""
    check(path)
    descriptor = os.open(path, flags | SAFELY, mode)  # it may have been replaced meanwhile
    try:
        _check(os.fstat(descriptor).st_mode, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check(path: Path) -> None:
    """Raises OSError, with the path, when it exists and is not a regular file."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    _check(mode, path)


def _check(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise NotRegularError(errno.EINVAL, NOT_REGULAR, str(path))


def read_bytes(path: Path, most: int = -1) -> bytes:
    """The content of the file, at most `most` bytes. Raises OSError."""
    with open_binary(path) as file:
        return file.read(most)
