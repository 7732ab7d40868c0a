"""The length of an MP3 file with variable bit rate whose first frame does not declare it.

A decoder then estimates the length from the first frame, and reads no more. Frames: ISO/IEC 11172-3 and 13818-3. The
number of frames is stored in place of the audio of the first frame, after `Xing`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.audio.spliced_file import Part

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Sample rates by the version bits: 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5."""
_KILOBITS = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_LAYER_3, _MONO, _COUNTED, _HAS_FRAMES = 1, 3, (b"Xing", b"Info", b"VBRI"), 1
_SEARCHED_BYTES = 1 << 16
_MOST_GAPS = 1000
"""Gaps between frames that are skipped; a file with more is not audio."""


@dataclass(frozen=True)
class _Frame:
    """The four bytes of a frame header, decoded."""

    head: bytes
    kilobits: int
    length: int
    side: int
    """Bytes of side information after the header."""


def _frame(head: bytes) -> _Frame | None:
    """The Layer III frame that begins with these bytes, or None."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or head[1] >> 1 & 3 != _LAYER_3:
        return None
    version, kilobits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version not in _RATES or kilobits in (0, 15) or rate == 3:
        return None
    first, mono = version == 3, head[3] >> 6 == _MONO
    speed = _KILOBITS[first][kilobits - 1]
    length = (144 if first else 72) * speed * 1000 // _RATES[version][rate] + (head[2] >> 1 & 1)
    return _Frame(head, speed, length, {True: (32, 17), False: (17, 9)}[first][mono])


def _start(descriptor: int) -> int:
    """Offset of the first frame, after an ID3 tag."""
    head = os.pread(descriptor, 10, 0)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _frames(descriptor: int, place: int) -> Iterator[_Frame]:
    """Every frame from `place` on; bytes between them are skipped."""
    sync, gaps = os.pread(descriptor, 2, place), 0
    while gaps <= _MOST_GAPS and (head := os.pread(descriptor, 4, place)):
        if head[:2] == sync and (frame := _frame(head)):
            yield frame
            place += frame.length
        else:
            data = os.pread(descriptor, _SEARCHED_BYTES, place + 1)
            at = data.find(sync)
            gaps += 1
            place += 1 + (at if at >= 0 else max(1, len(data) - 1))


def counted(descriptor: int) -> tuple[Part, ...] | None:
    """The parts of an MP3 file after a frame that holds the number of frames; None if not needed. Raises OSError."""
    start = _start(descriptor)
    first = _frame(os.pread(descriptor, 4, start))
    if first is None or any(name in os.pread(descriptor, 64, start) for name in _COUNTED):
        return None
    largest, count, speeds = first, 0, set[int]()
    for frame in _frames(descriptor, start):
        count += 1
        speeds.add(frame.kilobits)
        largest = max(largest, frame, key=lambda each: each.length)
    if len(speeds) < 2:
        return None
    head = bytes((largest.head[0], largest.head[1] | 1, *largest.head[2:]))  # no checksum
    frame_of_count = head + bytes(largest.side) + b"Xing" + struct.pack(">II", _HAS_FRAMES, count)
    return frame_of_count.ljust(largest.length, b"\0"), range(start, os.fstat(descriptor).st_size)
