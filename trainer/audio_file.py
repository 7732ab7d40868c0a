"""One audio file of a stranger: whether it is what it says, its facts, its samples; and writing one of our own."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from trainer import durable

SAMPLE_RATE = 16000
LONGEST_SECONDS = 600
MOST_FRAMES = LONGEST_SECONDS * 48_000
"""At higher rates the longest clip is shorter, so that no file takes more memory than one of 48 kHz."""
MOST_CHANNELS = 8
LOWEST_RATE, HIGHEST_RATE = 4_000, 192_000
LOUDEST = 4.0
"""Floating-point samples may exceed full scale a little; beyond this they are damage."""
SUBTYPES = {
    "WAV": {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"},
    "WAVEX": {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"},
    "FLAC": {"PCM_S8", "PCM_16", "PCM_24"},
    "OGG": {"VORBIS", "OPUS"},
}
SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".oga"}
NO_FILE = "It is no regular file; put the audio itself here."
_BLOCK_FRAMES = 1 << 18


class AudioRefused(ValueError):
    """A file that is no usable clip: `reason` is a short code, the message a sentence for a person."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class AudioFacts:
    """What a file holds."""

    seconds: float
    sample_rate: int
    channels: int
    format: str
    subtype: str


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of a regular file; a link, pipe or device is refused before it can lead astray or block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise AudioRefused(
                "not_a_file", "It is a link; links are not followed, put the audio itself here."
            ) from None
        if error.errno == errno.ENXIO:
            raise AudioRefused("not_a_file", NO_FILE) from None
        raise AudioRefused("unreadable", f"It cannot be opened ({error.strerror}); check its permissions.") from None
    except UnicodeEncodeError:
        raise AudioRefused("bad_name", "Its name is not valid text; rename it.") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AudioRefused("not_a_file", NO_FILE)
        yield descriptor
    finally:
        os.close(descriptor)


def _check_wav_size(descriptor: int) -> None:
    """Refuse a WAV file that ends before its header says; libsndfile reads the rest without a word."""
    size = os.fstat(descriptor).st_size
    if os.pread(descriptor, 12, 0)[:4] != b"RIFF":
        return
    place = 12
    while place + 8 <= size:
        name, length = struct.unpack("<4sI", os.pread(descriptor, 8, place))
        if name == b"data":
            if length != 0xFFFFFFFF and place + 8 + length > size:
                cut = place + 8 + length - size
                raise AudioRefused("truncated", f"{cut:,} bytes are missing at its end; copy or record it again.")
            return
        place += 8 + length + length % 2
    raise AudioRefused("truncated", "It has no audio data; copy or record it again.")


def _check_header(sound: soundfile.SoundFile) -> None:
    if sound.format not in SUBTYPES or sound.subtype not in SUBTYPES[sound.format]:
        kind = f"{sound.format} with {sound.subtype}"
        raise AudioRefused("unsupported_format", f"It is {kind}; convert it to 16-bit WAV, FLAC or OGG.")
    if not LOWEST_RATE <= sound.samplerate <= HIGHEST_RATE:
        raise AudioRefused(
            "bad_rate", f"Its sample rate is {sound.samplerate:,} Hz; {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz are taken."
        )
    if sound.channels > MOST_CHANNELS:
        raise AudioRefused("too_many_channels", f"It has {sound.channels} channels; at most {MOST_CHANNELS} are taken.")
    if sound.frames == 0:
        raise AudioRefused("empty", "It holds no audio; record it again or remove it.")


def _check_length(sound: soundfile.SoundFile) -> None:
    """Refuse what is too long for a clip, which is read as a whole."""
    if sound.frames > LONGEST_SECONDS * sound.samplerate:
        raise AudioRefused(
            "too_long", f"It says it is longer than {LONGEST_SECONDS // 60} minutes; cut it into pieces."
        )
    if sound.frames > MOST_FRAMES:
        longest = MOST_FRAMES / sound.samplerate / 60
        raise AudioRefused(
            "too_long", f"At {sound.samplerate:,} Hz at most {longest:.1f} minutes are taken; cut it into pieces."
        )


def _blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Mono samples, block by block, and as many as the header says."""
    done = 0
    while done < sound.frames:
        block = sound.read(min(sound.frames - done, _BLOCK_FRAMES), dtype="float32", always_2d=True)
        if not len(block):
            missing = (sound.frames - done) / sound.samplerate
            raise AudioRefused("truncated", f"It ends {missing:.2f} s early; copy or record it again.")
        done += len(block)
        yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def _check_level(wave: NDArray[np.float32]) -> None:
    peak = max(float(wave.max()), -float(wave.min()))  # abs() would take as much memory again
    if not np.isfinite(peak):
        raise AudioRefused("not_finite", "It holds samples that are no numbers; export it again.")
    if peak > LOUDEST:
        raise AudioRefused("out_of_range", f"Its samples reach {peak:.3g} times full scale; export it again.")


@contextmanager
def _sound(path: Path) -> Iterator[soundfile.SoundFile]:
    """A file that is opened and is what it says. Raises AudioRefused, FileNotFoundError."""
    with _opened(path) as descriptor:
        if os.fstat(descriptor).st_size == 0:
            raise AudioRefused("empty", "It is an empty file; copy or record it again.")
        if path.suffix.lower() not in SUFFIXES:
            kind = path.suffix or "without an ending"
            raise AudioRefused("unsupported_format", f"Files of this kind ({kind}) are not read; use WAV, FLAC or OGG.")
        _check_wav_size(descriptor)
        try:
            with soundfile.SoundFile(descriptor, closefd=False) as sound:
                _check_header(sound)
                yield sound
        except soundfile.SoundFileError as error:
            told = str(error).rpartition(": ")[2].rstrip(".")
            raise AudioRefused("damaged", f"It cannot be decoded ({told}); copy or record it again.") from None


def _facts(sound: soundfile.SoundFile) -> AudioFacts:
    return AudioFacts(sound.frames / sound.samplerate, sound.samplerate, sound.channels, sound.format, sound.subtype)


def facts(path: Path) -> AudioFacts:
    """What the header of a recording of any length says. Raises AudioRefused, FileNotFoundError."""
    with _sound(path) as sound:
        return _facts(sound)


def read(path: Path) -> tuple[NDArray[np.float32], AudioFacts]:
    """Samples of a clip, mono float32 [samples] at its own rate, and its facts.

    Raises AudioRefused for a file that is not usable, FileNotFoundError.
    """
    with _sound(path) as sound:
        _check_length(sound)
        wave, done = np.empty(sound.frames, np.float32), 0
        for block in _blocks(sound):
            wave[done : done + len(block)] = block
            done += len(block)
        found = _facts(sound)
    _check_level(wave)
    return wave, found


def read_16k(path: Path) -> NDArray[np.float32]:
    """Samples of a clip, mono float32 [samples] at 16 kHz. Raises as `read`."""
    wave, found = read(path)
    if found.sample_rate == SAMPLE_RATE:
        return wave
    return np.asarray(soxr.resample(wave, found.sample_rate, SAMPLE_RATE), dtype=np.float32)


def pieces_16k(path: Path) -> Iterator[NDArray[np.float32]]:
    """A recording of any length in pieces, mono float32 [samples] at 16 kHz. Raises as `read`, in its time."""
    with _sound(path) as sound:
        resampler = soxr.ResampleStream(sound.samplerate, SAMPLE_RATE, 1, dtype="float32")
        for block in _blocks(sound):
            _check_level(block)
            yield block if sound.samplerate == SAMPLE_RATE else resampler.resample_chunk(block)
        if sound.samplerate != SAMPLE_RATE:
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def part(path: Path, first: float, last: float) -> tuple[NDArray[np.float32], int]:
    """From `first` to `last` second of a recording of any length: mono float32 [samples] at its own rate, and that.

    Raises as `read`.
    """
    with _sound(path) as sound:
        begin, end = (min(sound.frames, max(0, round(at * sound.samplerate))) for at in (first, last))
        sound.seek(begin)
        wave = sound.read(end - begin, dtype="float32", always_2d=True).mean(axis=1)
        rate = int(sound.samplerate)
    if len(wave):
        _check_level(wave)
    return wave, rate


def write(path: Path, wave: NDArray[np.floating], sample_rate: int) -> None:
    """Write samples with 16 bits as WAV or FLAC, by the name of the file. Raises OSError.

    They are encoded in memory, as libsndfile says nothing of a full disk but "System error".
    """
    encoded = io.BytesIO()
    soundfile.write(encoded, wave, sample_rate, "PCM_16", format=path.suffix[1:].upper())
    with durable.naming(path):
        path.write_bytes(encoded.getbuffer())
