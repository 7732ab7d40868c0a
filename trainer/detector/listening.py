"""What `detect` answers: of recordings, and of audio as it comes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio import audio_reader
from trainer.detector import detector
from trainer.detector.detector import Detection, Detector, Piece, Trigger


def _document(found: Detection) -> dict[str, Any]:
    return {"time": round(found.time, 3), "score": found.score}


def _line(found: Detection) -> str:
    return f"{found.time:9.2f} s  {found.score:.4f}  detected"


def _score_line(time: float, score: float) -> str:
    return f"{time:9.2f} s  {score:.4f}"


def in_file(
    loaded: Detector, path: Path, threshold: float, with_scores: bool
) -> tuple[dict[str, Any], list[str]]:  # fmt: skip
    """What is detected in a recording, as a document and as lines for a person. Scores are those of the recording;
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
