"""False accepts as hard negatives: clips with their origin, in one change with Undo, and the training that follows.

Only what was heard in long recordings is taken. Streams that are composed are made of the test split: to train on its
clips would spoil every later evaluation with them. The recordings that clips were taken from are known from then on
(`taken_from`), as they flatter whatever was trained with these clips.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
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
from trainer.system.processes import exclusive_lock
from trainer.system.workspace import Workspace

PRESET = "hard_negatives"
"""The course of the training is that of this preset; model, features and augmentation stay those of the run."""


def retraining_config(config: Config, start_from: str) -> Config:
    """The configuration of a training that goes on from a model (see `earlier_run`) of a run with this one.

    The rate is to that of the run as the preset's to the default, so smaller; a run that itself went on from another
    has it already. Negatives are mined as far as the other shares leave room.
    """
    course, data = config_file.preset(PRESET), config.data
    others = data.positive_share + data.unfinished_share + data.background_share + data.hard_negative_share
    slower = course.optimizer.learning_rate / Config().optimizer.learning_rate
    document = config.model_dump()
    document["data"] |= {
        "mined_share": max(data.mined_share, min(course.data.mined_share, round(0.9 - others, 6))),
        "mining_epochs": course.data.mining_epochs,
    }
    document["optimizer"] |= {
        "learning_rate": config.optimizer.learning_rate * (1 if config.training.start_from else slower),
        "warmup_epochs": course.optimizer.warmup_epochs,
    }
    document["training"] |= {
        "start_from": start_from,
        "epochs": course.training.epochs,
        "patience": course.training.patience,
    }
    return config_file.build(document)


FOLDER = split_assignment.TO_TRAIN
ORIGINS = "false_accepts.jsonl"
"""In data/, where no scan looks; a line for each clip that was ever sent."""
LEAD_SECONDS, TAIL_SECONDS = 0.5, 0.5
"""Around what the model heard when it woke."""
SAME_SECONDS = 1.0
"""Detections of one recording this near to each other are of one sound."""


class Origin(BaseModel, frozen=True):
    """Where a clip (a path below data/raw) comes from: who woke falsely, when in which recording, how surely."""

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
    """What was done: clips that are new, and events whose clip was there already."""

    change: Change | None
    new: int
    known: int

    def sentence(self) -> str:
        told = "Nothing was sent" if not self.new else f"Sent {self.new:,} false accepts to the hard negatives"
        more = f" ({self.known:,} were already there)" if self.known else ""
        then = " Scan and split the data, then train again from this model." if self.new else ""
        return f"{told}{more}.{then}"


def origins(workspace: Workspace) -> list[Origin]:
    """Where the clips come from that were sent and are still there, each once; a damaged line is left out."""
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
    """How many clips were sent from the recordings of these streams: an evaluation with them flatters what has been
    trained since."""
    paths = {str(streams.path_of(recording)) for recording in streams.recordings}
    return sum(each.path in paths for each in origins(workspace))


def _is_composed(recording: Recording) -> bool:
    return any(part.clip for part in recording.parts) or any(word.clip for word in recording.words)


def problem(streams: StreamSet, event: Event) -> str | None:
    """What speaks against sending an event, as one sentence; None when nothing does."""
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


def _new(
    evaluation: Evaluation, streams: StreamSet, chosen: Sequence[Event], threshold: float, known: Iterable[Origin]
) -> list[Origin]:
    """The origins of the clips to make: of each sound one."""
    paths, had = {each.name: str(streams.path_of(each)) for each in streams.recordings}, list(known)
    made: list[Origin] = []
    for event in chosen:
        path = paths[event.recording]
        if any(_same(origin, path, event.end) for origin in [*had, *made]):
            continue
        digest = hashlib.sha256(path.encode()).hexdigest()[:6]
        name = f"{file_names.safe_part(Path(path).stem)[:60]}-{digest}-{round(1000 * event.end):09d}.wav"
        made.append(
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
    return made


def send(
    workspace: Workspace,
    run: Run,
    evaluation: Evaluation,
    streams: StreamSet,
    chosen: Sequence[Event],
    threshold: float,
) -> Sent:
    """Make a clip of each chosen false accept: what the model heard then, and a little more, as 16-bit WAV.

    Raises ValueError when one of them cannot be sent (nothing is, then), OSError.
    """
    for event in chosen:
        if told := problem(streams, event):
            raise ValueError(told)
    before = config_file.load(run.config_file).data.window_seconds + LEAD_SECONDS
    workspace.changes.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(workspace.changes / "false_accepts.lock"):
        made = _new(evaluation, streams, chosen, threshold, origins(workspace))
        change = _cut(workspace, made, before) if made else None
    return Sent(change, len(made), len(chosen) - len(made))


def _cut(workspace: Workspace, made: Sequence[Origin], before: float) -> Change:
    """Write the clips and move them into data/raw; their origins first, as one without its clip does no harm."""
    data, moves = workspace.root / "data", []
    with importing.staging(workspace) as (change_id, incoming):
        for origin in made:
            excerpt = errors.cut(Path(origin.path), max(0.0, origin.seconds - before), origin.seconds + TAIL_SECONDS)
            file = incoming / Path(origin.clip).name
            audio_file.write(file, excerpt.wave, excerpt.sample_rate)
            moves.append(Move(source=file.relative_to(data).as_posix(), target=f"{RAW}/{origin.clip}"))
        durable.append(_file(workspace), "".join(f"{origin.model_dump_json()}\n" for origin in made).encode())
        title = f"Sent {len(made):,} false accepts of run {made[0].run} to the hard negatives"
        return changes.apply(workspace, title, moves, change_id)
