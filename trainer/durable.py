"""Writing files so that a kill, a crash or a full disk never leaves half of one behind."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a full disk first gives a short write and only then an error."""
    view = memoryview(data)
    while view:
        written = os.write(descriptor, view)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace `path` at once: a reader sees the old bytes or the new ones, never a part. Raises OSError."""
    temporary = path.with_name(f"{path.name}.tmp.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_json(path: Path, document: object, mode: int = 0o644) -> None:
    """Replace `path` by a JSON document; NaN and infinity are refused (ValueError), they are not JSON."""
    replace_bytes(path, json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1).encode() + b"\n", mode)


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """By time of change; what is gone by now, or is a link to nothing, is left out."""
    found = []
    for path in paths:
        with suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found, reverse=True)]


def read_json(path: Path) -> object:
    """The JSON document in `path`; None when the file is missing or does not hold one."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
