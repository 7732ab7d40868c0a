"""Evaluations of a run, each in a folder `evaluation/<id>/` of the run: streams, probabilities, curve.

The process of an evaluation writes them, `evaluation.json` last; a folder without it is unfinished.
"""

from __future__ import annotations

import io
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from trainer.detector import stream_scores
from trainer.detector.detector_file import DetectorFile, Seconds
from trainer.run.runs import Run
from trainer.streams.stream_set import ScoredStream, StreamSet
from trainer.system import durable, regular_file


class CurvePoint(BaseModel, frozen=True):
    """One operating point of an evaluation; `low` and `high` bound the miss rate (95 %, bootstrap)."""

    threshold: float
    false_accepts: int
    false_accepts_per_hour: float
    misses: int
    miss_rate: float | None
    low: float | None
    high: float | None


class Evaluation(BaseModel, frozen=True):
    """evaluation.json. Times in seconds, rates from 0 to 1; `model_sha256` identifies the evaluated model."""

    id: str
    run: str
    checkpoint: str
    epoch: int
    model_sha256: str
    created: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
    streams_key: str
    streams_title: str
    audio_seconds: float
    scoring_seconds: float
    hours: float
    """Hours without the word, in which false accepts count."""
    words: int
    hop_seconds: Seconds
    smoothing_seconds: Seconds
    refractory_seconds: Seconds
    curve: list[CurvePoint]

    @property
    def times_real_time(self) -> float:
        return self.audio_seconds / self.scoring_seconds if self.scoring_seconds else 0.0


class ClipScore(BaseModel, frozen=True):
    """A clip of the test split (`path` relative to data/raw) and the highest probability of the windows that end in it
    or in a window of silence after it; before it there is silence too."""

    path: str
    label: str
    score: float


UNREADABLE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""Errors that zipfile, zlib and numpy raise for a corrupt archive."""
CLIP_SCORES = TypeAdapter(list[ClipScore])


@dataclass(frozen=True)
class EvaluationFolder:
    """The files of one evaluation."""

    path: Path

    @property
    def document_file(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def streams_file(self) -> Path:
        return self.path / "streams.json"

    @property
    def tracks_file(self) -> Path:
        """Raw probabilities by the name of the stream (numpy, without pickles)."""
        return self.path / "tracks.npz"

    @property
    def clips_file(self) -> Path:
        """Scores of the clips of the test split, where it was evaluated."""
        return self.path / "clips.json"


def as_heard(evaluation: Evaluation, file: DetectorFile) -> Evaluation:
    """An evaluation of the same model with the smoothing and refractory time of `file`, without its curve, which is of
    others."""
    heard = {"smoothing_seconds": file.smoothing_seconds, "refractory_seconds": file.refractory_seconds}
    return evaluation.model_copy(update=heard | {"curve": []})


def folder_of(run: Run, evaluation_id: str) -> EvaluationFolder:
    return EvaluationFolder(run.folder / "evaluation" / evaluation_id)


def all_of(run: Run) -> list[Evaluation]:
    """The finished evaluations of a run, newest first."""
    documents = (
        durable.read_document(Evaluation, path) for path in (run.folder / "evaluation").glob("*/evaluation.json")
    )
    return sorted((each for each in documents if each), key=lambda each: each.id, reverse=True)


def _tracks(file: Path) -> dict[str, NDArray[np.float32]]:
    """The raw probabilities of every stream. Raises ValueError."""
    try:
        with regular_file.open_binary(file) as stream, np.lib.npyio.NpzFile(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if all(
            isinstance(each, np.ndarray) and each.ndim == 1 and each.dtype == np.float32 for each in arrays.values()
        ):
            return arrays
        reason = "it does not contain scores"
    except UNREADABLE as error:
        reason = str(error)
    raise ValueError(f"{file} cannot be read ({reason}). Evaluate the run again.")


def read_streams(folder: EvaluationFolder, evaluation: Evaluation) -> list[ScoredStream]:
    """The scored streams that count in the rates. Raises as `read_all_streams`."""
    return rated(read_all_streams(folder, evaluation))


def rated(streams: Sequence[ScoredStream]) -> list[ScoredStream]:
    """The streams that count in the rates: without those of hard conditions."""
    return [each for each in streams if each.recording.in_rates]


def read_all_streams(folder: EvaluationFolder, evaluation: Evaluation) -> list[ScoredStream]:
    """All scored streams. Raises ValueError when a file of the evaluation is missing or corrupt."""
    streams = durable.read_document(StreamSet, folder.streams_file)
    raw = _tracks(folder.tracks_file)
    if streams is None or any(recording.name not in raw for recording in streams.recordings):
        raise ValueError(f"The evaluation in {folder.path} is corrupt. Evaluate the run again.")
    hop, smoothing = evaluation.hop_seconds, evaluation.smoothing_seconds
    return [
        ScoredStream(each, stream_scores.smooth(raw[each.name], hop, smoothing), hop, evaluation.refractory_seconds)
        for each in streams.recordings
    ]


def read_clips(folder: EvaluationFolder) -> list[ClipScore]:
    """The scores of the clips; empty when the test split was not evaluated, or the file is corrupt."""
    try:
        return CLIP_SCORES.validate_python(durable.read_json(folder.clips_file))
    except ValidationError:
        return []


def write(
    folder: EvaluationFolder,
    evaluation: Evaluation,
    streams: StreamSet,
    tracks: dict[str, NDArray[np.float32]],
    clips: list[ClipScore],
) -> None:
    """Write an evaluation, its document last; an unfinished one is removed. Raises OSError."""
    if not (run := folder.path.parents[1]).is_dir():  # creating it would leave half a run
        raise FileNotFoundError(f"The run in {run} was removed during its evaluation, which is not saved.")
    try:
        folder.path.mkdir(parents=True)
        packed = io.BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **tracks)
        durable.replace_bytes(folder.tracks_file, packed.getvalue())
        durable.replace_json(folder.streams_file, streams.model_dump())
        if clips:
            durable.replace_json(folder.clips_file, CLIP_SCORES.dump_python(clips))
        durable.replace_json(folder.document_file, evaluation.model_dump())
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
