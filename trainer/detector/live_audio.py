"""Audio as it comes, in pieces at 16 kHz: from a sound device of this machine, or from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from trainer.audio import audio_formats
from trainer.audio.audio_formats import SAMPLE_RATE

PIECE_SECONDS = 0.08
"""The shortest hop of a detector: a longer piece would make it answer later."""
PIPE = "or pipe audio in: arecord -q -t raw -f S16_LE -r 16000 -c 1 | python -m trainer detect MODEL -"


def of_standard_input() -> Iterator[NDArray[np.int16]]:
    """Raw samples of 16 bits at 16 kHz, one channel, until the input ends. Raises ValueError when it is none."""
    if sys.stdin.isatty():
        raise ValueError(f"Standard input is a terminal; leave out the - to listen to the sound device, {PIPE}.")
    size = 2 * round(PIECE_SECONDS * SAMPLE_RATE)
    first = True
    while block := sys.stdin.buffer.read(size):
        if first and audio_formats.has_signature(block):
            raise ValueError("Standard input is an audio file, not raw samples; name the file instead of the -.")
        first = False
        yield np.frombuffer(block[: len(block) // 2 * 2], "<i2")


def of_device(device: str) -> Iterator[NDArray[np.int16]]:
    """What the sound device hears, for ever: the system's own when `device` is empty, else a number, or a part of a
    name. Raises ValueError with one sentence when it cannot be listened to."""
    sounddevice = _sounddevice()
    which = int(device) if device.isdecimal() else device or None
    try:
        rate = _rate(sounddevice, which)
        resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="int16")
        size = round(PIECE_SECONDS * rate)
        with sounddevice.RawInputStream(rate, size, which, channels=1, dtype="int16") as stream:
            while True:
                block, lost = stream.read(size)
                if lost:
                    sys.stderr.write("Some audio was lost: this machine is too slow or too busy to hear all.\n")
                samples = np.frombuffer(block, np.int16)
                yield samples if resampler is None else resampler.resample_chunk(samples)
    except (sounddevice.PortAudioError, ValueError) as error:  # it raises the latter for a name that fits none or many
        raise ValueError(_refusal(sounddevice, device, str(error))) from None


def _sounddevice() -> Any:  # noqa: ANN401 - it has no types
    """The module that speaks with PortAudio, which not every system has."""
    try:
        import sounddevice
    except ImportError:
        raise ValueError(f"The package sounddevice is missing, install it with: make setup; {PIPE}.") from None
    except OSError:
        how = "Debian and Ubuntu: sudo apt install libportaudio2; Fedora: sudo dnf install portaudio"
        raise ValueError(f"The library PortAudio is missing, install it ({how}), {PIPE}.") from None
    return sounddevice


def _rate(sounddevice: Any, which: int | str | None) -> int:  # noqa: ANN401 - see above
    """16 kHz where the device can, else the rate that it likes."""
    try:
        sounddevice.check_input_settings(which, channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        rate: float = sounddevice.query_devices(which, "input")["default_samplerate"]
        return round(rate)
    return SAMPLE_RATE


def _refusal(sounddevice: Any, device: str, told: str) -> str:  # noqa: ANN401 - see above
    inputs = [f"{each['index']}: {each['name']}" for each in sounddevice.query_devices() if each["max_input_channels"]]
    if not inputs:
        return f"There is no sound device to listen to. Plug in a microphone, {PIPE}."
    name = f"The sound device {device!r}" if device else "The sound device of the system"
    return f"{name} cannot be listened to ({told}). Choose one with --device: {', '.join(inputs)}."
