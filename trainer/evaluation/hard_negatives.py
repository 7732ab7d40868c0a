"""False accepts as hard negatives: clips with their origin, added in one change with Undo, and the next training.

Only false accepts in long recordings are used: composed streams consist of clips of the test split, and training on
those would bias every later evaluation. So do the recordings that clips were taken from (`taken_from`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from trainer.audio import audio_file
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.dataset import changes, file_names, importing, split_assignment
from trainer.dataset.changes import RAW, Change, Move
from trainer.evaluation import errors
from trainer.evaluation.errors import Event
from trainer.evaluation.evaluations import Evaluation
from trainer.run.runs import Run
from trainer.streams.stream_set import Recording, StreamSet
from trainer.system import durable, regular_file
from trainer.system.display_text import counted
from trainer.system.processes import exclusive_lock
from trainer.system.workspace import Workspace

PRESET = "hard_negatives"
"""The schedule of the training is that of this preset; model, features and augmentation are those of the run."""


def retraining_config(config: Config, start_from: str) -> Config:
    """The configuration of a training that starts from a model (see `earlier_run`) of a run with `config`.

    The learning rate is reduced by the ratio of the preset's to the default, unless the run itself started from another
    one. Mined negatives get as much as the other shares leave, up to the preset's share.
    """
    preset, data = config_file.preset(PRESET), config.data
    others = data.positive_share + data.unfinished_share + data.background_share + data.hard_negative_share
    reduction = preset.optimizer.learning_rate / Config().optimizer.learning_rate
    document = config.model_dump()
    document["data"] |= {
        "mined_share": max(data.mined_share, min(preset.data.mined_share, round(0.9 - others, 6))),
        "mining_epochs": preset.data.mining_epochs,
    }
    document["optimizer"] |= {
        "learning_rate": config.optimizer.learning_rate * (1 if config.training.start_from else reduction),
        "warmup_epochs": preset.optimizer.warmup_epochs,
    }
    document["training"] |= {
        "start_from": start_from,
        "epochs": preset.training.epochs,
        "patience": preset.training.patience,
    }
    return config_file.build(document)


FOLDER = split_assignment.TO_TRAIN
ORIGINS = "false_accepts.jsonl"
"""A file in data/ with a line for every clip ever sent."""
LEAD_SECONDS, TAIL_SECONDS = 0.5, 0.5
"""Audio before and after the window of the detection."""
SAME_SECONDS = 1.0
"""Detections in one recording within this time are of the same sound."""


class Origin(BaseModel, frozen=True):
    """The origin of a clip (a path relative to data/raw): the false accept of a run in a recording."""

    clip: str
    run: str
    evaluation: str
    recording: str
    path: str
    seconds: float
    score: float
    threshold: float


@dataclass(frozen=True)
class Sent:
    """The result of sending: new clips, and events whose clip existed already."""

    change: Change | None
    new: int
    known: int

    def sentence(self) -> str:
        """The result, and what to do next."""
        text = f"Sent {counted(self.new, 'false accept')} to the hard negatives" if self.new else "Nothing was sent"
        more = f" ({self.known:,} were already there)" if self.known else ""
        then = " Scan and split the data, then train again from this model." if self.new else ""
        return f"{text}{more}.{then}"


def origins(workspace: Workspace) -> list[Origin]:
    """The origins of the clips that were sent and still exist, each once; corrupt lines are skipped."""
    try:
        lines = regular_file.read_bytes(_file(workspace)).splitlines()
    except FileNotFoundError:
        return []
    by_clip: dict[str, Origin] = {}
    for line in lines:
        try:
            origin = Origin.model_validate_json(line)
        except ValidationError:
            continue
        by_clip[origin.clip] = origin
    return [each for each in by_clip.values() if (workspace.raw / each.clip).is_file()]


def _file(workspace: Workspace) -> Path:
    return workspace.root / "data" / ORIGINS


def taken_from(workspace: Workspace, streams: StreamSet) -> int:
    """Number of clips sent from the recordings of these streams, with which later trainings evaluate too well."""
    paths = {str(streams.path_of(recording)) for recording in streams.recordings}
    return sum(each.path in paths for each in origins(workspace))


def _is_composed(recording: Recording) -> bool:
    return any(part.clip for part in recording.parts) or any(word.clip for word in recording.words)


def problem(streams: StreamSet, event: Event) -> str | None:
    """Why an event cannot be sent, as one sentence; None when it can."""
    recording = next((each for each in streams.recordings if each.name == event.recording), None)
    if event.kind != "false_accept" or recording is None:
        return "Only false accepts of this evaluation can be sent to the hard negatives."
    if _is_composed(recording):
        return (
            f"{recording.name} is composed from clips of the test split, and training with them would bias every later "
            "evaluation. Only false accepts in long recordings can be sent."
        )
    return None


def _same(origin: Origin, path: str, seconds: float) -> bool:
    return origin.path == path and abs(origin.seconds - seconds) < SAME_SECONDS


def _new_origins(
    evaluation: Evaluation, streams: StreamSet, events: Sequence[Event], threshold: float, known: Sequence[Origin]
) -> list[Origin]:
    """The origins of the clips to write, one for each sound that is not known yet."""
    paths = {each.name: str(streams.path_of(each)) for each in streams.recordings}
    new: list[Origin] = []
    for event in events:
        path = paths[event.recording]
        if any(_same(origin, path, event.end) for origin in [*known, *new]):
            continue
        digest = hashlib.sha256(path.encode()).hexdigest()[:6]
        name = f"{file_names.safe_part(Path(path).stem)[:60]}-{digest}-{round(1000 * event.end):09d}.wav"
        new.append(
            Origin(
                clip=f"{FOLDER}/{name}",
                run=evaluation.run,
                evaluation=evaluation.id,
                recording=event.recording,
                path=path,
                seconds=event.end,
                score=event.score,
                threshold=threshold,
            )
        )
    return new


def send(
    workspace: Workspace,
    run: Run,
    evaluation: Evaluation,
    streams: StreamSet,
    events: Sequence[Event],
    threshold: float,
) -> Sent:
    """Write a clip of each false accept, its window and a little more, as 16-bit WAV.

    Raises ValueError when one of them cannot be sent, and then sends none; OSError.
    """
    for event in events:
        if sentence := problem(streams, event):
            raise ValueError(sentence)
    before = config_file.load(run.config_file).data.window_seconds + LEAD_SECONDS
    workspace.changes.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(workspace.changes / "false_accepts.lock"):
        new = _new_origins(evaluation, streams, events, threshold, origins(workspace))
        change = _write_clips(workspace, new, before) if new else None
    return Sent(change, len(new), len(events) - len(new))


def _write_clips(workspace: Workspace, new: Sequence[Origin], before: float) -> Change:
    """Write the clips and move them into data/raw; their origins first, as an origin without a clip is harmless."""
    data, moves = workspace.root / "data", []
    with importing.staging(workspace) as (change_id, incoming):
        for origin in new:
            excerpt = errors.cut(Path(origin.path), max(0.0, origin.seconds - before), origin.seconds + TAIL_SECONDS)
            file = incoming / Path(origin.clip).name
            audio_file.write(file, excerpt.wave, excerpt.sample_rate)
            moves.append(Move(source=file.relative_to(data).as_posix(), target=f"{RAW}/{origin.clip}"))
        durable.append(_file(workspace), "".join(f"{origin.model_dump_json()}\n" for origin in new).encode())
        title = f"Sent {counted(len(new), 'false accept')} of run {new[0].run} to the hard negatives"
        return changes.apply(workspace, title, moves, change_id)
