"""A corpus of files that are no usable clips, made here: by hand for each fault, and by random damage for the rest."""

from __future__ import annotations

import io
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
TONE = 0.5 * np.sin(np.arange(RATE) / 10)


def encoded(wave: np.ndarray = TONE, rate: int = RATE, kind: str = "WAV", subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, wave, rate, subtype=subtype, format=kind)
    return out.getvalue()


def wav(
    rate: int = RATE, channels: int = 1, bits: int = 16, code: int = 1, data: bytes = b"\1\0" * 8000,
    says: int | None = None, riff: bytes = b"RIFF", align: int | None = None,
) -> bytes:  # fmt: skip
    """A WAV file with whatever its header claims."""
    block = channels * bits // 8 if align is None else align
    fmt = struct.pack("<HHIIHH", code, channels, rate, rate * block % 2**32, block % 2**16, bits)
    says = len(data) if says is None else says
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", says) + data
    return riff + struct.pack("<I", len(body) % 2**32) + body


def with_sample(value: float) -> bytes:
    wave = TONE.copy()
    wave[5] = value
    return encoded(wave, subtype="FLOAT")


def lying_flac(low: int, high: bytes) -> bytes:
    data = bytearray(encoded(kind="FLAC"))
    data[21] = data[21] & 0xF0 | low
    data[22:26] = high
    return bytes(data)


def _cut(data: bytes, part: float) -> bytes:
    return data[: int(part * len(data))]


def _flipped(data: bytes, first: float) -> bytes:
    place = int(first * len(data))
    return data[:place] + bytes(255 - byte for byte in data[place : place + 400]) + data[place + 400 :]


FLAC, OGG, OPUS = encoded(kind="FLAC"), encoded(kind="OGG"), encoded(kind="OGG", subtype="OPUS")
NOISE_FLAC = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, RATE), kind="FLAC")

BYTES: dict[str, bytes] = {
    "empty.wav": b"",
    "empty.flac": b"",
    "empty.ogg": b"",
    "one_byte.wav": b"R",
    "text.wav": b"this is no audio",
    "text.flac": b"fLaC but no more",
    "text.ogg": b"OggS but no more",
    "zeros.wav": bytes(5000),
    "zeros.ogg": bytes(5000),
    "html.wav": b"<html><script>alert(1)</script></html>" * 20,
    "zip.wav": b"PK\3\4" + bytes(500),
    "png.flac": b"\x89PNG\r\n\x1a\n" + bytes(500),
    "mp3.wav": b"\xff\xfb\x90\x00" * 200,
    "pickle.wav": b"\x80\x04\x95" * 99,
    "only_riff.wav": b"RIFF",
    "riff_size.wav": b"RIFF\xff\xff\xff\xff",
    "no_data.wav": wav()[:36],
    "no_fmt.wav": b"RIFF\x10\0\0\0WAVEdata\4\0\0\0\0\0\0\0",
    "no_frames.wav": wav(data=b""),
    "cut.wav": wav()[:-4000],
    "cut_by_half.wav": wav()[:-8000],
    "rate_0.wav": wav(rate=0),
    "rate_100.wav": wav(rate=100),
    "rate_2ghz.wav": wav(rate=2_000_000_000),
    "rate_400k.wav": wav(rate=400_000),
    "channels_0.wav": wav(channels=0, align=2),
    "channels_9.wav": wav(channels=9, data=bytes(18 * 900)),
    "channels_64.wav": wav(channels=64, data=bytes(12800)),
    "channels_1024.wav": wav(channels=1024, data=bytes(204800)),
    "channels_65535.wav": wav(channels=65535, align=2),
    "bits_0.wav": wav(bits=0),
    "bits_64.wav": wav(bits=64),
    "bits_255.wav": wav(bits=255),
    "code_0.wav": wav(code=0),
    "code_2.wav": wav(code=2),
    "code_85_mp3.wav": wav(code=85),
    "code_65535.wav": wav(code=65535),
    "big_endian.wav": wav(riff=b"RIFX"),
    "adpcm_ms.wav": encoded(subtype="MS_ADPCM"),
    "adpcm_ima.wav": encoded(subtype="IMA_ADPCM"),
    "gsm.wav": encoded(subtype="GSM610", rate=8000),
    "voc.wav": encoded(kind="VOC"),
    "matlab.wav": encoded(kind="MAT5"),
    "pvf.wav": encoded(kind="PVF"),
    "paf.wav": encoded(kind="PAF"),
    "ircam.wav": encoded(kind="IRCAM"),
    "amiga.aiff": encoded(kind="SVX"),
    "g721.au": encoded(kind="AU", subtype="G721_32"),
    "adpcm.w64": encoded(kind="W64", subtype="IMA_ADPCM"),
    "aiff_cut.aiff": _cut(encoded(kind="AIFF"), 0.8),
    "au_cut.au": _cut(encoded(kind="AU"), 0.8),
    "caf_cut.caf": _cut(encoded(kind="CAF"), 0.8),
    "w64_cut.w64": _cut(encoded(kind="W64"), 0.8),
    "rf64_cut.wav": _cut(encoded(kind="RF64"), 0.8),
    "nist_cut.sph": _cut(encoded(kind="NIST"), 0.8),
    "mp3_cut.mp3": _cut(encoded(np.tile(TONE, 5), kind="MP3"), 0.5),
    "flac_of_a_pipe.flac": lying_flac(0, b"\0\0\0\0"),
    "nan.wav": with_sample(float("nan")),
    "inf.wav": with_sample(float("inf")),
    "minus_inf.wav": with_sample(-float("inf")),
    "loud_1e30.wav": with_sample(1e30),
    "loud_5.wav": with_sample(5.0),
    "rate_192k_long.wav": wav(rate=192_000, bits=8, channels=1, data=bytes(192_000 * 160)),
    "long_wav.wav": encoded(np.zeros(4000 * 601), 4000),
    "flac_bomb.flac": encoded(np.zeros(4000 * 601), 4000, "FLAC"),
    "flac_says_68g.flac": lying_flac(0x0F, b"\xff" * 4),
    "flac_says_more.flac": lying_flac(0, b"\0\1\0\0"),
    "flac_cut.flac": _cut(NOISE_FLAC, 0.5),
    "flac_head.flac": FLAC[:42],
    "flac_flipped.flac": _flipped(NOISE_FLAC, 0.5),
    "ogg_cut.ogg": OGG[:60],
    "ogg_flipped.ogg": _flipped(OGG, 0.02),
    "opus_cut.opus": OPUS[:60],
    "ogg_as_flac_head.ogg": FLAC[:80],
    "twice_riff.wav": wav()[:20] + wav(),
}
"""Files by name; every one must be refused."""

SPECIAL: dict[str, Callable[[Path], object]] = {
    "pipe.wav": os.mkfifo, "folder_link.wav": lambda path: path.symlink_to("/etc"),
    "file_link.wav": lambda path: path.symlink_to("/etc/hostname"), "loop.wav": lambda path: path.symlink_to(path),
    "dangling.wav": lambda path: path.symlink_to("nowhere"),
}  # fmt: skip


def write_corpus(folder: Path) -> list[str]:
    """Write every bad file into `folder`; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in BYTES.items():
        (folder / name).write_bytes(data)
    for name, make in SPECIAL.items():
        make(folder / name)
    return [*BYTES, *SPECIAL]


def fuzzed(count: int, seed: int) -> list[tuple[str, bytes]]:
    """Good files with random damage: flips, cuts, spliced and repeated pieces, 32-bit words of extreme value."""
    rng = random.Random(seed)
    good = [("wav", encoded()), ("wav", encoded(subtype="FLOAT")), ("flac", NOISE_FLAC), ("ogg", OGG), ("opus", OPUS)]
    made = []
    for number in range(count):
        suffix, data = good[number % len(good)]
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8, 40))):
            head = rng.random() < 0.6  # most of what a parser does, it does with the header
            place = rng.randrange(min(len(damaged), 100) if head else len(damaged))
            kind = rng.randrange(5)
            if kind == 0:
                damaged[place] ^= 1 << rng.randrange(8)
            elif kind == 1:
                damaged[place : place + 4] = rng.choice((b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
            elif kind == 2:
                del damaged[place : place + rng.randrange(1, 200)]
            elif kind == 3:
                damaged[place:place] = damaged[: rng.randrange(1, 200)]
            else:
                damaged = damaged[: max(1, place)]
            if not damaged:
                damaged = bytearray(b"\0")
        made.append((f"{number:05d}.{suffix}", bytes(damaged)))
    return made
