"""What the command `detect` does: audio from files, a sound device or standard input through a detector."""

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
                    sys.stderr.write("Some audio was lost: this machine is too slow or too busy.\n")
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
        return f"There is no audio input device. Connect a microphone, {PIPE}."
    name = f"The sound device {device!r}" if device else "The sound device of the system"
    return f"{name} cannot be opened ({told}). Choose one with --device: {', '.join(inputs)}."


def _document(found: Detection) -> dict[str, Any]:
    return {"time": round(found.time, 3), "score": found.score}


def _line(found: Detection) -> str:
    return f"{found.time:9.2f} s  {found.score:.4f}  detected"


def _score_line(time: float, score: float) -> str:
    return f"{time:9.2f} s  {score:.4f}"


def in_file(loaded: Detector, path: Path, threshold: float, with_scores: bool) -> tuple[dict[str, Any], list[str]]:
    """What is detected in a recording, as a document and as lines of text. Scores are those of the recording;
    a detection can come a little later; notes say how an odd file is heard.

    Raises ValueError, FileNotFoundError, OSError."""
    try:
        scores = detector.scores_of_pieces(loaded, audio_reader.pieces_16k(path), loaded.hops_after)
    except FileNotFoundError:
        raise FileNotFoundError("There is no such file. Check the spelling.") from None
    found = loaded.detections(scores, threshold)
    answer: dict[str, Any] = {"file": str(path), "detections": [_document(each) for each in found]}
    notes = audio_reader.facts(path).notes()
    if notes:
        answer["notes"] = notes
    lines = [f"{path}  {note}" for note in notes]
    if with_scores:
        scores = scores[: -loaded.hops_after]
        times = loaded.times(len(scores))
        answer |= {"times": times.round(4).tolist(), "scores": scores.tolist()}
        lines += [f"{path}  {_score_line(time, score)}" for time, score in zip(times, scores, strict=True)]
    return answer, lines + ([f"{path}  {_line(each)}" for each in found] or [f"{path}  nothing detected"])


def live(
    loaded: Detector, pieces: Iterable[Piece], threshold: float, with_scores: bool, as_json: bool
) -> Iterator[str]:
    """Lines about pieces of audio at 16 kHz, as they come; with `as_json` each is a document."""
    stream, trigger = loaded.stream(), Trigger(loaded.file, threshold)
    silence = np.zeros(loaded.hops_after * loaded.hop_samples, np.float32)
    for piece in chain(pieces, [silence]):
        before, scores = stream.hops, stream.push(piece)
        for hop, score in enumerate(scores.tolist() if with_scores else [], before + 1):
            time = hop * loaded.file.hop_seconds
            yield json.dumps({"time": round(time, 4), "score": score}) if as_json else _score_line(time, score)
        for found in trigger.hear(scores):
            document = {**_document(found), "detected": True}
            yield json.dumps(document) if as_json else _line(found)
