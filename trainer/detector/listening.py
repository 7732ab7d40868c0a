"""The command `detect`: audio from files, a sound device or standard input through a detector."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from trainer.audio import audio_formats, audio_reader
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.detector import detector
from trainer.detector.detector import Detection, Detector, Piece, Trigger

PIECE_SECONDS = 0.08
"""The shortest hop of a detector, as a longer piece would delay detections."""
PIPE = "or pipe audio in: arecord -q -t raw -f S16_LE -r 16000 -c 1 | python -m trainer detect MODEL -"


def of_standard_input() -> Iterator[NDArray[np.int16]]:
    """Raw 16-bit mono samples at 16 kHz until the input ends. Raises ValueError for a terminal or an audio file."""
    if sys.stdin.isatty():
        raise ValueError(f"Standard input is a terminal; omit the - to listen to the sound device, {PIPE}.")
    size = 2 * round(PIECE_SECONDS * SAMPLE_RATE)
    first = True
    while block := sys.stdin.buffer.read(size):
        if first and audio_formats.has_signature(block):
            raise ValueError("Standard input is an audio file, not raw samples; give its path instead of the -.")
        first = False
        yield np.frombuffer(block[: len(block) // 2 * 2], "<i2")


def of_device(device: str) -> Iterator[NDArray[np.int16]]:
    """Endless samples at 16 kHz from a sound device: the system's default when `device` is empty, else an index or a
    part of a name. Raises ValueError when it cannot be opened."""
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
                    sys.stderr.write("Some audio was lost because this machine is too slow or too busy.\n")
                samples = np.frombuffer(block, np.int16)
                yield samples if resampler is None else resampler.resample_chunk(samples)
    except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: the name matches no device, or several
        raise ValueError(_refusal(sounddevice, device, str(error))) from None


def _sounddevice() -> Any:  # noqa: ANN401 - it has no types
    """The module sounddevice. Raises ValueError where it or PortAudio is missing."""
    try:
        import sounddevice
    except ImportError:
        raise ValueError(f"The package sounddevice is missing; install it with `make setup`, {PIPE}.") from None
    except OSError:
        how = "Debian and Ubuntu: sudo apt install libportaudio2; Fedora: sudo dnf install portaudio"
        raise ValueError(f"The library PortAudio is missing; install it ({how}), {PIPE}.") from None
    return sounddevice


def _rate(sounddevice: Any, which: int | str | None) -> int:  # noqa: ANN401 - see above
    """16 kHz where the device supports it, else its default rate."""
    try:
        sounddevice.check_input_settings(which, channels=1, dtype="int16", samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        rate: float = sounddevice.query_devices(which, "input")["default_samplerate"]
        return round(rate)
    return SAMPLE_RATE


def _refusal(sounddevice: Any, device: str, reason: str) -> str:  # noqa: ANN401 - see above
    inputs = [f"{each['index']}: {each['name']}" for each in sounddevice.query_devices() if each["max_input_channels"]]
    if not inputs:
        return f"No audio input device was found. Connect a microphone, {PIPE}."
    name = f"The sound device {device!r}" if device else "The default sound device"
    return f"{name} cannot be opened ({reason}). Choose one with --device: {', '.join(inputs)}."


def _document(detection: Detection) -> dict[str, Any]:
    return {"time": round(detection.time, 3), "score": detection.score}


def _line(detection: Detection) -> str:
    return f"{_score_line(detection.time, detection.score)}  detected"


def _score_line(time: float, score: float) -> str:
    return f"{time:9.2f} s  {score:.4f}"


def in_file(loaded: Detector, path: Path, threshold: float, with_scores: bool) -> tuple[dict[str, Any], list[str]]:
    """Detections in a recording, as a document and as lines of text. Scores end with the recording; a detection can
    follow in the silence after it.

    Raises ValueError, FileNotFoundError, OSError.
    """
    try:
        scores = detector.scores_of_pieces(loaded, audio_reader.pieces_16k(path), loaded.hops_after)
    except FileNotFoundError:
        raise FileNotFoundError("The file does not exist. Check the path.") from None
    detections = loaded.detections(scores, threshold)
    document: dict[str, Any] = {"file": str(path), "detections": [_document(each) for each in detections]}
    notes = audio_reader.facts(path).notes()
    if notes:
        document["notes"] = notes
    lines = [f"{path}  {note}" for note in notes]
    if with_scores:
        scores = scores[: -loaded.hops_after]
        times = loaded.times(len(scores))
        document |= {"times": times.round(4).tolist(), "scores": scores.tolist()}
        lines += [f"{path}  {_score_line(time, score)}" for time, score in zip(times, scores, strict=True)]
    return document, lines + ([f"{path}  {_line(each)}" for each in detections] or [f"{path}  nothing detected"])


def live(
    loaded: Detector, pieces: Iterable[Piece], threshold: float, with_scores: bool, as_json: bool
) -> Iterator[str]:
    """Lines about pieces of audio at 16 kHz as they come; with `as_json` each is a JSON document."""
    stream, trigger = loaded.stream(), Trigger(loaded.file, threshold)
    silence = np.zeros(loaded.hops_after * loaded.hop_samples, np.float32)
    for piece in chain(pieces, [silence]):
        before, scores = stream.hops, stream.push(piece)
        for hop, score in enumerate(scores.tolist() if with_scores else [], before + 1):
            time = hop * loaded.file.hop_seconds
            yield json.dumps({"time": round(time, 4), "score": score}) if as_json else _score_line(time, score)
        for detection in trigger.push(scores):
            yield json.dumps({**_document(detection), "detected": True}) if as_json else _line(detection)
