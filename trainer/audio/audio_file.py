"""One untrusted audio file: validation, facts, samples; and writing WAV and FLAC files."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from trainer.audio import audio_formats, audio_header, mixdown
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.audio_formats import AudioRefused as AudioRefused
from trainer.audio.audio_header import Correction
from trainer.audio.mixdown import Mixdown
from trainer.audio.spliced_file import SplicedFile
from trainer.system import durable

LONGEST_SECONDS = 600
MOST_FRAMES = LONGEST_SECONDS * 48_000
"""Bounds memory: above 48 kHz the longest clip is shorter."""
MOST_CHANNELS = 8
LOWEST_RATE, HIGHEST_RATE = 4_000, 192_000
LOUDEST = 4.0
"""Floating-point samples may exceed full scale a little; beyond this the file is damaged."""
ESTIMATE_SECONDS = 0.1
"""A file whose length is an estimate may end this much earlier."""
PREROLL_SECONDS = 0.5
"""Decoded before a part, as frames of MP3 and Opus depend on the preceding ones."""
SAMPLED_PIECES, PIECE_SECONDS = 30, 1.0
"""Pieces spread over a recording by which its channels are judged."""
NO_FILE = "It is not a regular file; put the audio file itself here."
_BLOCK_FRAMES = 1 << 18
_UNKNOWN_FRAMES = 1 << 62


@dataclass(frozen=True)
class AudioFacts:
    """Properties of a file. `used_channel` and `best_channel` count from 1; 0: the mean of the channels is used.

    `length_wrong`: the header gives a wrong length or none. `channel_fault`: see Mixdown.
    """

    seconds: float
    sample_rate: int
    channels: int
    format: str
    subtype: str
    length_wrong: bool = False
    channel_fault: mixdown.Fault = ""
    used_channel: int = 0
    best_channel: int = 0

    def notes(self) -> list[str]:
        """Sentences about an unusual file and how it is read."""
        sentences = []
        if self.length_wrong:
            sentences.append("Its header gives a wrong length; it is read to the end of the file.")
        if self.channel_fault == "cancel":
            sentences.append(f"Its channels cancel each other when mixed; channel {self.used_channel} is used.")
        if self.channel_fault == "dead":
            sentences.append("Some of its channels are silent; the others are used.")
        if self.channel_fault == "uneven":
            sentences.append(f"Its channels differ in noise; all are mixed, channel {self.best_channel} is the best.")
        return sentences


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file without a seek after every read.

    soundfile does so in seekable files, and an MP3 decoder then lacks the preceding frames: recordings with variable
    bit rate had a gap of some 60 ms after every block.
    """

    def seekable(self) -> bool:
        """Decides about the seek in `read`; `seek` itself works."""
        return False


@dataclass(frozen=True)
class _Sound:
    """An open file, and how its channels become one."""

    file: soundfile.SoundFile
    facts: AudioFacts
    how: Mixdown


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of a regular file; links, pipes and devices are refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise AudioRefused(
                "not_a_file", "It is a link, and links are not followed; put the audio file itself here."
            ) from None
        if error.errno == errno.ENXIO:
            raise AudioRefused("not_a_file", NO_FILE) from None
        raise AudioRefused("unreadable", f"It cannot be opened ({error.strerror}); check its permissions.") from None
    except UnicodeEncodeError:
        raise AudioRefused("bad_name", "Its name is not valid Unicode text; rename it.") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AudioRefused("not_a_file", NO_FILE)
        yield descriptor
    finally:
        os.close(descriptor)


def _check_header(sound: soundfile.SoundFile) -> None:
    if sound.subtype not in audio_formats.CODINGS.get(sound.format, ()):
        kind = f"{sound.format} with {sound.subtype}"
        raise AudioRefused("unsupported_format", f"It is {kind}; convert it to {audio_formats.EXAMPLES}.")
    if not LOWEST_RATE <= sound.samplerate <= HIGHEST_RATE:
        raise AudioRefused(
            "bad_rate",
            f"Its sample rate is {sound.samplerate:,} Hz; {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz are supported.",
        )
    if sound.channels > MOST_CHANNELS:
        raise AudioRefused(
            "too_many_channels", f"It has {sound.channels} channels; at most {MOST_CHANNELS} are supported."
        )
    if sound.frames == 0:
        raise AudioRefused("empty", "It contains no audio; record it again or remove it.")
    if sound.frames >= _UNKNOWN_FRAMES:
        cause = "Its header gives no length, as in a FLAC file written to a pipe"
        raise AudioRefused("unknown_length", f"{cause}; convert it to {audio_formats.EXAMPLES}.")


def _check_length(sound: soundfile.SoundFile) -> None:
    """Refuse a file that is too long for a clip, which is read as a whole."""
    if sound.frames > LONGEST_SECONDS * sound.samplerate:
        raise AudioRefused(
            "too_long", f"It is longer than {LONGEST_SECONDS // 60} minutes by its header; cut it into pieces."
        )
    if sound.frames > MOST_FRAMES:
        longest = MOST_FRAMES / sound.samplerate / 60
        raise AudioRefused(
            "too_long", f"At {sound.samplerate:,} Hz at most {longest:.1f} minutes are supported; cut it into pieces."
        )


def _blocks(sound: _Sound) -> Iterator[NDArray[np.float32]]:
    """Mono samples in blocks, as many as the header says."""
    done, file = 0, sound.file
    while done < file.frames:
        block = file.read(min(file.frames - done, _BLOCK_FRAMES), dtype="float32", always_2d=True)
        if not len(block):
            missing = (file.frames - done) / file.samplerate
            if file.format in audio_formats.ESTIMATED and missing <= ESTIMATE_SECONDS:
                return
            raise AudioRefused("truncated", f"It ends {missing:.2f} s early; copy or record it again.")
        done += len(block)
        yield mixdown.mixed(block, sound.how)


def _check_level(wave: NDArray[np.float32]) -> None:
    peak = max(float(wave.max()), -float(wave.min()))  # abs() would take as much memory again
    if not np.isfinite(peak):
        raise AudioRefused("not_finite", "It contains samples that are not numbers (NaN); export it again.")
    if peak > LOUDEST:
        raise AudioRefused("out_of_range", f"Its samples reach {peak:.3g} times full scale; export it again.")


@contextmanager
def _decoded(descriptor: int, change: Correction | None) -> Iterator[soundfile.SoundFile]:
    """A file in the decoder, with its length corrected. Raises AudioRefused."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    source = SplicedFile(descriptor, change.parts) if change else descriptor
    try:
        with _SequentialFile(source, closefd=False) as file:
            _check_header(file)
            yield file
    except soundfile.SoundFileError as error:
        reason = str(error).rpartition(": ")[2].rstrip(".")
        raise AudioRefused("damaged", f"It cannot be decoded ({reason}); copy or record it again.") from None


def _sampled(file: soundfile.SoundFile) -> NDArray[np.float32]:
    """Samples [n, channels] by which the channels are judged: all of a clip, pieces of a recording."""
    size = round(PIECE_SECONDS * file.samplerate)
    if file.frames <= SAMPLED_PIECES * size:
        return np.asarray(file.read(file.frames, dtype="float32", always_2d=True))
    pieces = []
    for first in np.linspace(0, file.frames - size, SAMPLED_PIECES).astype(int).tolist():
        try:
            file.seek(first)
        except soundfile.SoundFileError:  # its header claims more than there is, which reading it reports
            break
        pieces.append(file.read(size, dtype="float32", always_2d=True))
    return np.concatenate(pieces) if pieces else np.empty((0, file.channels), np.float32)


def _mixdown(descriptor: int, change: Correction | None) -> Mixdown:
    """How the channels of a file become one."""
    with _decoded(descriptor, change) as file:
        if file.channels == 1:
            return mixdown.MONO
        return mixdown.decide(np.nan_to_num(_sampled(file), posinf=0, neginf=0), file.samplerate)


@contextmanager
def _sound(path: Path, channel: int = 0) -> Iterator[_Sound]:
    """A valid open file; `channel` (from 1) is read alone. Raises AudioRefused, FileNotFoundError."""
    with _opened(path) as descriptor:
        if os.fstat(descriptor).st_size == 0:
            raise AudioRefused("empty", "It is empty; copy or record it again.")
        if not audio_formats.is_known(path.suffix, os.pread(descriptor, 4, 0)):
            kind = path.suffix or "no file extension"
            advice = f"if it is audio, convert it to {audio_formats.EXAMPLES}."
            raise AudioRefused("unsupported_format", f"Files of this type ({kind}) are not supported; {advice}")
        change = audio_header.correction(descriptor)
        wrong = bool(change and change.length_wrong) or not audio_header.has_its_end(descriptor)
        how = _mixdown(descriptor, change)
        with _decoded(descriptor, change) as file:
            if channel > file.channels:
                raise AudioRefused("no_channel", f"It has no channel {channel}; choose one of 1 to {file.channels}.")
            how = Mixdown((channel - 1,), best=channel - 1) if channel else how
            yield _Sound(file, _facts(file, wrong, how), how)


def _facts(file: soundfile.SoundFile, wrong: bool, how: Mixdown) -> AudioFacts:
    alone = file.channels > 1 and len(how.channels) == 1
    return AudioFacts(
        file.frames / file.samplerate,
        file.samplerate,
        file.channels,
        file.format,
        file.subtype,
        wrong,
        how.fault,
        how.channels[0] + 1 if alone else 0,
        how.best + 1 if how.fault else 0,
    )


def facts(path: Path) -> AudioFacts:
    """Properties of a recording of any length by its header. Raises AudioRefused, FileNotFoundError."""
    with _sound(path) as sound:
        return sound.facts


def read(path: Path, channel: int = 0) -> tuple[NDArray[np.float32], AudioFacts]:
    """Samples of a clip, mono float32 [samples] at its own rate, and its facts; `channel` (from 1) is read alone.

    Raises AudioRefused for a file that is not usable, FileNotFoundError.
    """
    with _sound(path, channel) as sound:
        _check_length(sound.file)
        wave, done = np.empty(sound.file.frames, np.float32), 0
        for block in _blocks(sound):
            wave[done : done + len(block)] = block
            done += len(block)
    if done == 0:
        raise AudioRefused("empty", "It contains no audio; record it again or remove it.")
    _check_level(wave[:done])
    return wave[:done], replace(sound.facts, seconds=done / sound.facts.sample_rate)


def read_16k(path: Path) -> NDArray[np.float32]:
    """Samples of a clip, mono float32 [samples] at 16 kHz. Raises as `read`."""
    wave, properties = read(path)
    if properties.sample_rate == SAMPLE_RATE:
        return wave
    return np.asarray(soxr.resample(wave, properties.sample_rate, SAMPLE_RATE), dtype=np.float32)


def pieces_16k(path: Path) -> Iterator[NDArray[np.float32]]:
    """A recording of any length in pieces, mono float32 [samples] at 16 kHz. Raises as `read`, while iterating."""
    with _sound(path) as sound:
        rate = sound.facts.sample_rate
        resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        for block in _blocks(sound):
            _check_level(block)
            yield block if rate == SAMPLE_RATE else resampler.resample_chunk(block)
        if rate != SAMPLE_RATE:
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def part(path: Path, first: float, last: float) -> tuple[NDArray[np.float32], int]:
    """A part of a recording of any length from `first` to `last` in seconds: mono float32 [samples] at its own rate,
    and that rate. Raises as `read`."""
    with _sound(path) as sound:
        file, rate = sound.file, sound.facts.sample_rate
        begin, end = (min(file.frames, max(0, round(at * rate))) for at in (first, last))
        early = min(begin, round(PREROLL_SECONDS * rate)) if file.format in audio_formats.ESTIMATED else 0
        file.seek(begin - early)
        wave = mixdown.mixed(file.read(end - begin + early, dtype="float32", always_2d=True), sound.how)[early:]
    if len(wave):
        _check_level(wave)
    return wave, rate


def write(path: Path, wave: NDArray[np.floating], sample_rate: int) -> None:
    """Write samples with 16 bits as WAV or FLAC, by the extension. Raises OSError.

    They are encoded in memory, as libsndfile reports a full disk as "System error" only.
    """
    data = encoded(wave, sample_rate, path.suffix[1:].upper())
    with durable.naming(path):
        path.write_bytes(data)


def encoded(wave: NDArray[np.floating] | NDArray[np.int16], sample_rate: int, kind: str = "WAV") -> bytes:
    """Samples [n] with 16 bits as the bytes of a WAV or FLAC file."""
    out = io.BytesIO()
    soundfile.write(out, wave, sample_rate, "PCM_16", format=kind)
    return out.getvalue()
