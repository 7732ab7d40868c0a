"""The length of the audio in a file: what the header claims, what the file contains, and which is right.

Programs that write to a pipe cannot go back to fill in the length, and some recorders include their header in it. Their
files are complete. A file that is much shorter than a plausible claim is truncated.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.audio import mpeg_header, spliced_file
from trainer.audio.audio_formats import EXAMPLES, AudioRefused
from trainer.audio.spliced_file import Part

_PLACEHOLDER_SLACK = 1 << 20
"""Writers subtract their header from the largest number, or round it down to whole pages."""
_LARGEST_RIFF = 0xFFFFFFFE
_LARGEST_EXCESS = 1024
"""Bytes by which a length may be too large because a recorder includes its header."""
_TAIL_BYTES = 4096
_LARGEST_PAGE, _LAST_PAGE = 65_307, 4  # bytes of an Ogg page (RFC 3533); its flag
_TAIL_CHUNKS = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"cue ", b"smpl", b"fact", b"iXML", b"_PMX", b"JUNK", b"PAD ")
_PLAIN_CHUNKS = (b"data", b"fmt ", *_TAIL_CHUNKS)
_W64_SOUND = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class _Layout:
    """Chunks of a container: the format of their header (name and length) and the offset of the first one."""

    header: str
    first: int
    sound: bytes
    padding: int = 2
    counts_header: bool = False
    skipped: int = 0
    """Bytes of the `sound` chunk before its samples."""

    @property
    def width(self) -> int:
        return struct.calcsize(self.header)


_LAYOUTS = {
    b"RIFF": _Layout("<4sI", 12, b"data"),
    b"RF64": _Layout("<4sI", 12, b"data"),
    b"RIFX": _Layout(">4sI", 12, b"data"),
    b"FORM": _Layout(">4sI", 12, b"SSND", skipped=8),
    b"riff": _Layout("<16sQ", 40, _W64_SOUND, padding=8, counts_header=True),
    b"caff": _Layout(">4sq", 8, b"data", padding=1, skipped=4),
}


@dataclass(frozen=True)
class _Claim:
    """What a header claims about the samples: offset `start`, `length` in bytes (None: to the end of the file), and
    the offset and struct format of the field that holds it."""

    start: int
    length: int | None
    place: int
    form: str
    counted: int = 0
    """Bytes that the field counts besides the samples."""
    whole: int = 0
    """Length of the file by its header; 0: unknown."""
    unpadded: tuple[int, ...] = ()
    """Offsets of chunks that follow one of odd length without its padding byte."""


@dataclass(frozen=True)
class Correction:
    """The parts that a decoder reads instead of a file with a wrong header."""

    parts: tuple[Part, ...]
    length_wrong: bool = True


def _chunks(descriptor: int, layout: _Layout, place: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, place of the header, length of the content) of each chunk whose header lies within the file."""
    while place + layout.width <= size:
        name, length = struct.unpack(layout.header, os.pread(descriptor, layout.width, place))
        length -= layout.width if layout.counts_header else 0
        yield name, place, length
        if length < 0:
            return
        place = _next_place(descriptor, place + layout.width + length, -length % layout.padding)


def _next_place(descriptor: int, end: int, padding: int) -> int:
    """Offset of the next chunk: some writers of RIFF omit the padding byte of odd chunks."""
    if padding == 1 and os.pread(descriptor, 4, end) in _PLAIN_CHUNKS:
        return end
    return end + padding


def _chunked(descriptor: int, magic: bytes, size: int) -> _Claim | None:
    """The claim of a file made of chunks; None when none holds samples."""
    layout, large, unpadded = _LAYOUTS[magic], None, list[int]()
    for name, place, length in _chunks(descriptor, layout, layout.first, size):
        if layout.padding == 2 and (place + len(unpadded)) % 2:
            unpadded.append(place)
        if name == b"ds64" and magic == b"RF64" and 16 <= length <= size - place - layout.width:
            large = place + 16, *struct.unpack("<QQ", os.pread(descriptor, 16, place + 8))
        if name != layout.sound:
            continue
        start, counted = place + layout.width + layout.skipped, layout.skipped
        if large and length == 0xFFFFFFFF:
            return _Claim(start, large[2], large[0], "<Q", 0, large[1] + 8, tuple(unpadded))
        if magic == b"caff":
            return _Claim(start, None if length == -1 else length - counted, place + 4, ">q", counted)
        if magic == b"riff":
            whole = struct.unpack("<Q", os.pread(descriptor, 8, 16))[0]
            return _Claim(start, max(0, length), place + 16, "<Q", layout.width, whole)
        whole = struct.unpack(layout.header[0] + "I", os.pread(descriptor, 4, 4))[0] + 8
        return _Claim(
            start, max(0, length - counted), place + 4, layout.header[0] + "I", counted, whole, tuple(unpadded)
        )
    return None


def _of_sun(descriptor: int) -> _Claim | None:
    head = os.pread(descriptor, 12, 0)
    if len(head) < 12:
        return None
    start, length = struct.unpack(">II", head[4:])
    return _Claim(start, None if length == 0xFFFFFFFF else length, 8, ">I")


def _of_nist(descriptor: int) -> _Claim | None:
    head = os.pread(descriptor, 4096, 0)
    start = re.match(rb"NIST_1A\n\s*(\d{1,6})\n", head)
    facts = dict(re.findall(rb"^(sample_count|sample_n_bytes|channel_count) -i (\d{1,12})", head, re.MULTILINE))
    if start is None or len(facts) < 3:
        return None
    length = 1
    for value in facts.values():
        length *= int(value)
    return _Claim(int(start[1]), length, 0, "")


def _is_placeholder(length: int) -> bool:
    """Whether writers use this length when they do not know it: 0 or about 2 GB, 4 GB or the largest number."""
    return length == 0 or any(0 <= top - length <= _PLACEHOLDER_SLACK for top in (1 << 31, 1 << 32, 1 << 63, 1 << 64))


def _ends_in_chunks(descriptor: int, magic: bytes, place: int, size: int) -> bool:
    """Whether the file consists of chunks from `place` to its end."""
    layout = _LAYOUTS.get(magic)
    if layout is None or place + layout.width > size:
        return False
    end = place
    for name, at, length in _chunks(descriptor, layout, place, size):
        if not name[:4].isascii() or not name[:4].decode("ascii").isprintable() or length < 0:
            return False
        end = at + layout.width + length
    return size - layout.padding <= end <= size + layout.padding


def _sound_end(descriptor: int, magic: bytes, start: int, size: int) -> int:
    """Offset of the end of the samples when the header does not give it: before the chunks at the end of the file."""
    if magic not in (b"RIFF", b"RF64"):
        return size
    end = size
    while True:
        first = max(start, end - _TAIL_BYTES)
        tail = os.pread(descriptor, end - first, first)
        for name in _TAIL_CHUNKS:
            at = tail.rfind(name)
            if 0 <= at <= len(tail) - 8:
                length = struct.unpack("<I", tail[at + 4 : at + 8])[0]
                if at + 8 + length <= len(tail) <= at + 8 + length + 1:
                    end = first + at
                    break
        else:
            return end


def correction(descriptor: int) -> Correction | None:
    """How to read a file whose header is wrong about its length or its chunks; None if the decoder reads it correctly.

    Raises AudioRefused for a truncated file, OSError.
    """
    size, magic = os.fstat(descriptor).st_size, os.pread(descriptor, 4, 0)
    if magic in _LAYOUTS:
        claim = _chunked(descriptor, magic, size)
    else:
        claim = {b".snd": _of_sun, b"NIST": _of_nist}.get(magic, lambda _: None)(descriptor)
    if claim is None:
        if magic in (b"RIFF", b"RF64", b"RIFX"):
            raise AudioRefused("truncated", "It has no audio data; copy or record it again.")
        parts = mpeg_header.counted(descriptor)
        return Correction(parts) if parts else None
    rest, length = size - claim.start, claim.length
    if length is not None and not _is_wrong(descriptor, magic, claim, length, size):
        return Correction(_padded(claim, size), length_wrong=False) if claim.unpadded else None
    if length is None and magic != b"caff":  # the decoder handles it
        return None
    end = _sound_end(descriptor, magic, claim.start, size)
    if rest <= 0 or not claim.form:
        return None
    if claim.form[1] == "I" and end - claim.start + claim.counted > _LARGEST_RIFF:
        raise AudioRefused(
            "too_long", f"It is longer than its format can declare (4 GB); convert it to RF64 or {EXAMPLES}."
        )
    field = struct.pack(claim.form, end - claim.start + claim.counted)
    return Correction(spliced_file.replaced(_padded(claim, end), claim.place, field))


def _padded(claim: _Claim, end: int) -> tuple[Part, ...]:
    """The file up to `end`, with the omitted padding bytes inserted."""
    parts: tuple[Part, ...] = (range(end),)
    for place in claim.unpadded:
        parts = spliced_file.inserted(parts, place, b"\0")
    return parts


def _is_wrong(descriptor: int, magic: bytes, claim: _Claim, length: int, size: int) -> bool:
    """Whether the header is wrong about a complete file. Raises AudioRefused for a truncated one."""
    rest = size - claim.start
    if _is_placeholder(length) and length != rest:
        return not _ends_in_chunks(descriptor, magic, claim.start + length, size)
    if length <= rest:
        return magic in (b"RIFF", b"RIFX", b"FORM") and rest - length >= 1 << 32  # its four bytes overflowed
    complete = claim.whole in (size, size + size % 2) or length - rest <= min(claim.start, _LARGEST_EXCESS)
    if not complete:
        raise AudioRefused(
            "truncated",
            f"{length - rest:,} of its {length:,} bytes of audio are missing at its end; copy or record it again.",
        )
    return True


def has_its_end(descriptor: int) -> bool:
    """Whether an Ogg file ends with a page marked as the last one; True for other files."""
    if os.pread(descriptor, 4, 0) != b"OggS":
        return True
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _LARGEST_PAGE, max(0, size - _LARGEST_PAGE))
    page = tail.rfind(b"OggS")
    return 0 <= page < len(tail) - 5 and bool(tail[page + 5] & _LAST_PAGE)
