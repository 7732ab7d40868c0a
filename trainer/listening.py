"""What `detect` answers: of recordings, and of audio as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from trainer import audio_file, detector
from trainer.detector import Detection, Detector, Piece, Trigger


def _document(found: Detection) -> dict[str, Any]:
    return {"time": round(found.time, 3), "score": found.score}


def _line(found: Detection) -> str:
    return f"{found.time:9.2f} s  {found.score:.4f}  detected"


def _score_line(time: float, score: float) -> str:
    return f"{time:9.2f} s  {score:.4f}"


def in_files(
    loaded: Detector, paths: Sequence[Path], threshold: float, with_scores: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """What is detected in recordings, as a document and as lines for a person. Scores are those of the recording;
    a detection can come a little later. Raises ValueError or FileNotFoundError that names the file."""
    answers, lines = list[dict[str, Any]](), list[str]()
    for path in paths:
        try:
            scores = detector.scores_of_file(loaded, path, loaded.hops_after)
        except audio_file.AudioRefused as error:
            raise ValueError(f"{path}: {error}") from None
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no file {path}.") from None
        found = loaded.detections(scores, threshold)
        answers.append({"file": str(path), "detections": [_document(each) for each in found]})
        if with_scores:
            scores = scores[: -loaded.hops_after]
            times = loaded.times(len(scores))
            answers[-1] |= {"times": times.round(4).tolist(), "scores": scores.tolist()}
            lines += [f"{path}  {_score_line(time, score)}" for time, score in zip(times, scores, strict=True)]
        lines += [f"{path}  {_line(each)}" for each in found] or [f"{path}  nothing detected"]
    return answers, lines


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
