"""Live audio at 16 kHz: from a sound device, from a recording program of this machine, or from standard input."""

from __future__ import annotations

import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from trainer.audio import audio_formats
from trainer.audio.audio_formats import SAMPLE_RATE

Samples = NDArray[np.int16]

PIECE_SECONDS = 0.08
"""The shortest hop of a detector, as a longer piece would delay detections."""
AHEAD_SECONDS = 60.0
"""How far a device may be ahead of the work on its audio."""
ENDING_SECONDS = 2.0
PROGRAMS = {
    "arecord": ["-q", "-t", "raw", "-f", "S16_LE", "-r", str(SAMPLE_RATE), "-c", "1"],
    "parec": ["--raw", "--format=s16le", f"--rate={SAMPLE_RATE}", "--channels=1", "--latency-msec=50"],
}
"""Programs of ALSA and PulseAudio that write raw samples to standard output, with their arguments."""


def _pipe(command: str) -> str:
    return f"or pipe audio in: arecord -q -t raw -f S16_LE -r 16000 -c 1 | {command}"


def of_standard_input(command: str) -> Iterator[Samples]:
    """Raw 16-bit mono samples at 16 kHz until the input ends; `command` is how to start this with a pipe, for messages.

    Raises ValueError for a terminal or an audio file.
    """
    if sys.stdin.isatty():
        raise ValueError(f"Standard input is a terminal; omit the - to listen to the sound device, {_pipe(command)}.")
    size = 2 * round(PIECE_SECONDS * SAMPLE_RATE)
    first = True
    while block := sys.stdin.buffer.read(size):
        if first and audio_formats.has_signature(block):
            raise ValueError("Standard input is an audio file, not raw samples; give its path instead of the -.")
        first = False
        yield np.frombuffer(block[: len(block) // 2 * 2], "<i2")


def of_device(device: str, command: str) -> Generator[Samples]:
    """Endless samples at 16 kHz from a sound device: the system's default when `device` is empty, else an index or a
    part of a name. `arecord`, or `arecord:NAME`, records with that program, which also happens without PortAudio.

    Raises ValueError when the device cannot be opened or fails.
    """
    named, _, name = device.partition(":")
    if named in PROGRAMS:
        yield from _of_program(named, name, command)
        return
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the library PortAudio is missing
        program = next(filter(shutil.which, PROGRAMS), "")
        if not program:
            raise ValueError(_missing(isinstance(error, ImportError), command)) from None
        yield from _of_program(program, device, command)
        return
    which = int(device) if device.isdecimal() else device or None
    try:
        rate = _rate(sounddevice, which)
        resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="int16")
        size = round(PIECE_SECONDS * rate)
        with sounddevice.RawInputStream(rate, size, which, channels=1, dtype="int16") as stream:
            while True:
                block, lost = stream.read(size)
                if lost:
                    sys.stderr.write("Some audio was lost because this machine is too slow or too busy.\n")
                samples = np.frombuffer(block, np.int16)
                yield samples if resampler is None else resampler.resample_chunk(samples)
    except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: the name matches no device, or several
        raise ValueError(_refusal(sounddevice, device, str(error), command)) from None


def _missing(package: bool, command: str) -> str:
    if package:
        return f"The package sounddevice is missing; install it with `make setup`, {_pipe(command)}."
    how = "Debian and Ubuntu: sudo apt install libportaudio2; Fedora: sudo dnf install portaudio"
    return f"The library PortAudio is missing; install it ({how}), {_pipe(command)}."


def _rate(sounddevice: Any, which: int | str | None) -> int:  # noqa: ANN401 - it has no types
    """16 kHz where the device supports it, else its default rate."""
    try:
        sounddevice.check_input_settings(which, channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        rate: float = sounddevice.query_devices(which, "input")["default_samplerate"]
        return round(rate)
    return SAMPLE_RATE


def _refusal(sounddevice: Any, device: str, reason: str, command: str) -> str:  # noqa: ANN401 - see above
    inputs = [f"{each['index']}: {each['name']}" for each in sounddevice.query_devices() if each["max_input_channels"]]
    if not inputs:
        return f"No audio input device was found. Connect a microphone, {_pipe(command)}."
    name = f"The sound device {device!r}" if device else "The default sound device"
    return f"{name} cannot be opened ({reason}). Choose one with --device: {', '.join(inputs)}."


def _of_program(program: str, device: str, command: str) -> Iterator[Samples]:
    """Samples that a recording program writes. Raises ValueError when it ends, as it should not."""
    size, rest = 2 * round(PIECE_SECONDS * SAMPLE_RATE), b""
    words = [program, *PROGRAMS[program], *([f"--device={device}"] if device else [])]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, bufsize=0) as child,
    ):
        assert child.stdout
        try:
            while block := child.stdout.read(size):
                rest += block
                yield np.frombuffer(rest[: len(rest) // 2 * 2], "<i2")
                rest = rest[len(rest) // 2 * 2 :]
        finally:
            child.terminate()
        errors.seek(0)
        reason = " ".join(errors.read(2000).decode(errors="replace").split()) or f"exit code {child.wait()}"
        name = f"the device {device!r}" if device else "the default microphone"
        raise ValueError(f"{program} stopped recording from {name} ({reason}). Check --device, {_pipe(command)}.")


def read_ahead(pieces: Generator[Samples]) -> Iterator[Samples]:
    """The same samples, read by a thread, so that up to AHEAD_SECONDS of slow work on them lose nothing."""
    waiting: queue.Queue[Samples | BaseException | None] = queue.Queue(round(AHEAD_SECONDS / PIECE_SECONDS))
    ended = threading.Event()

    def pass_on(item: Samples | BaseException | None) -> None:
        while not ended.is_set():
            with suppress(queue.Full):
                return waiting.put(item, timeout=0.5)

    def read() -> None:
        try:
            with closing(pieces):
                for piece in pieces:
                    pass_on(piece)
                    if ended.is_set():
                        return
            pass_on(None)
        except BaseException as error:  # raised where the samples are used
            pass_on(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        ended.set()
        reader.join(ENDING_SECONDS)
