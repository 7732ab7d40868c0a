"""A file object that replaces or inserts bytes while a file is read, for decoders that trust headers."""

from __future__ import annotations

import io
import itertools
import os

Part = bytes | range
"""Literal bytes, or a range of offsets in the file."""


def replaced(parts: tuple[Part, ...], place: int, data: bytes) -> tuple[Part, ...]:
    """Parts with `data` instead of as many bytes of the file at `place`, which lie within one part."""
    return tuple(itertools.chain.from_iterable(_split(part, place, place + len(data), data) for part in parts))


def inserted(parts: tuple[Part, ...], place: int, data: bytes) -> tuple[Part, ...]:
    """Parts with `data` before the byte of the file at `place`."""
    return tuple(itertools.chain.from_iterable(_split(part, place, place, data) for part in parts))


def _split(part: Part, first: int, last: int, data: bytes) -> tuple[Part, ...]:
    if isinstance(part, bytes) or not part.start <= first < part.stop:
        return (part,)
    return range(part.start, first), data, range(last, part.stop)


class SplicedFile(io.RawIOBase):
    """A read-only file that consists of the parts in order."""

    def __init__(self, descriptor: int, parts: tuple[Part, ...]) -> None:
        super().__init__()
        self._descriptor, self._parts, self._place = descriptor, parts, 0
        self._size = sum(map(len, parts))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        done, begin = 0, 0
        for part in self._parts:
            offset = self._place - begin
            if done < len(buffer) and 0 <= offset < len(part):
                piece = part[offset : offset + len(buffer) - done]
                data = piece if isinstance(piece, bytes) else os.pread(self._descriptor, len(piece), piece.start)
                buffer[done : done + len(data)] = data
                done += len(data)
                self._place += len(data)
            begin += len(part)
        return done
