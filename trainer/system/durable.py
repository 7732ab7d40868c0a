"""Durable files: atomic writes, which a kill, a crash or a full disk never leaves half done, and JSON documents."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from trainer.system import regular_file

open_file, write, fsync, replace = os.open, os.write, os.fsync, os.replace
"""Calls that can fail on a full or broken disk, by name, so that a test can make the n-th one fail."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make errors of the operating system name this file, not a descriptor or a temporary file."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte: a full disk first gives a short write and only then an error."""
    view = memoryview(data)
    while view:
        written = write(descriptor, view)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = view[written:]


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power loss."""
    descriptor = open_file(folder, os.O_RDONLY)
    try:
        fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_bytes(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` atomically: a reader sees the old or the new bytes, never a mixture. Raises OSError.

    The temporary file lies in the same folder, because a rename across file systems is a copy. After an
    failed fsync the file counts as not written, as a second fsync would report success.
    """
    with naming(path):
        temporary = path.with_name(f"{path.name}.tmp.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            try:
                write_all(descriptor, data)
                fsync(descriptor)
            finally:
                os.close(descriptor)
            replace(temporary, path)
        except BaseException:
            with suppress(OSError):  # the first error is the one to report
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def replace_json(path: Path, document: object, mode: int = 0o600) -> None:
    """Replace `path` by a JSON document; NaN and infinity are refused (ValueError), they are not JSON."""
    replace_bytes(path, json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1).encode() + b"\n", mode)


def append(path: Path, line: bytes) -> None:
    """Append a whole line or nothing: a partial write on a full disk is undone. For one writer. Raises OSError."""
    regular_file.check(path)
    with naming(path):
        descriptor = open_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            before = os.fstat(descriptor).st_size
            try:
                write_all(descriptor, line)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)


def settle(path: Path) -> int:
    """Make everything appended so far survive a power loss; returns the size of the file. Raises OSError."""
    regular_file.check(path)
    with naming(path):
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fsync(descriptor)
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)


def newest_first(paths: Iterable[Path]) -> list[Path]:
    """Sorted by modification time; removed files and broken links are left out."""
    dated = []
    for path in paths:
        with suppress(OSError):
            dated.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(dated, reverse=True)]


def read_json(path: Path) -> object:
    """The JSON document in `path`; None when the file is missing or does not hold one."""
    try:
        return json.loads(regular_file.read_bytes(path))
    except (OSError, ValueError, RecursionError):
        return None


Document = TypeVar("Document", bound=BaseModel)


def read_document(kind: type[Document], path: Path) -> Document | None:
    """The document in `path`; None when the file is missing or does not hold a valid one."""
    try:
        return kind.model_validate(read_json(path))
    except ValidationError:
        return None


def is_damaged(kind: type[BaseModel], path: Path) -> bool:
    """Whether `path` exists but does not hold a valid document."""
    try:
        data = regular_file.read_bytes(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        kind.model_validate_json(data)
    except ValidationError:
        return True
    return False
