"""The command `detect`: the detections in files and in live audio as it comes, and the program that one starts."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio import audio_reader
from trainer.detector import detector
from trainer.detector.detector import Detection, Detector, Piece, Trigger

STANDARD_ERROR = 2
"""File descriptor."""


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
    loaded: Detector,
    pieces: Iterable[Piece],
    threshold: float,
    with_scores: bool,
    as_json: bool,
    react: Callable[[Detection], object] = lambda detection: None,
) -> Iterator[str]:
    """Lines about pieces of audio at 16 kHz as they come; with `as_json` each is a JSON document. `react` is called
    with each detection."""
    stream, trigger = loaded.stream(), Trigger(loaded.file, threshold)
    silence = np.zeros(loaded.hops_after * loaded.hop_samples, np.float32)
    for piece in chain(pieces, [silence]):
        before, scores = stream.hops, stream.push(piece)
        for hop, score in enumerate(scores.tolist() if with_scores else [], before + 1):
            time = hop * loaded.file.hop_seconds
            yield json.dumps({"time": round(time, 4), "score": score}) if as_json else _score_line(time, score)
        for detection in trigger.push(scores):
            react(detection)
            yield json.dumps({**_document(detection), "detected": True}) if as_json else _line(detection)


@dataclass
class Program:
    """What a detection starts: the arguments of a program, which never runs twice at a time. Without arguments nothing
    is started. `complain` is told what goes wrong."""

    words: Sequence[str]
    label: str
    complain: Callable[[str], object]
    process: subprocess.Popen[bytes] | None = None

    def start(self, detection: Detection) -> None:
        """Its output goes to standard error, as standard output is for detections."""
        if not self.words:
            return
        if self.process and self.process.poll() is None:
            self.complain(f"{self.words[0]} still runs since an earlier detection, so it is not started again.")
            return
        self.finish()
        values = {"LABEL": self.label, "TIME": f"{detection.time:.3f}", "SCORE": f"{detection.score:.4f}"}
        environment = os.environ | {f"WAKEWORD_{name}": value for name, value in values.items()}
        try:
            self.process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=STANDARD_ERROR, env=environment
            )
        except OSError as error:
            self.complain(f"{self.words[0]} could not be run: {error.strerror}.")

    def watched(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """The pieces of audio; a failure of the program is told as soon as the next one comes."""
        for piece in pieces:
            if self.process and self.process.poll() is not None:
                self.finish()
            yield piece

    def finish(self) -> None:
        """Wait until it ends."""
        process, self.process = self.process, None
        if process and (code := process.wait()):
            how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
            self.complain(f"{self.words[0]} failed {how}.")
