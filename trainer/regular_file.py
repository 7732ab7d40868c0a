"""Reading a file that may be anything: a pipe, a socket or a device is refused and never opened, as it could block for
ever or act."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

NOT_REGULAR = "It is a pipe, a socket or a device, not a file; remove it"


class NotRegularError(FileNotFoundError):
    """There is no file of this name, but something else: for whoever can do without the file it is missing."""


def open_binary(path: Path) -> BufferedReader:
    """The file to read. Raises OSError, with the path, as `open` does and when there is something else in its place."""
    _check(path.stat().st_mode, path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may have been replaced meanwhile
    try:
        _check(os.fstat(descriptor).st_mode, path)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def _check(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise NotRegularError(errno.EINVAL, NOT_REGULAR, str(path))


def read_bytes(path: Path, most: int = -1) -> bytes:
    """What the file holds, at most so many bytes of it. Raises OSError."""
    with open_binary(path) as file:
        return file.read(most)
