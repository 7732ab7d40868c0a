"""A creation: the order of a detector for a phrase, which of its stages are finished, and how long the others take.

Its file is written by the job `create` alone. Data set, run and evaluation are ordinary ones, which every page shows.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from trainer.dataset import file_names
from trainer.evaluation import headline, operating_point
from trainer.evaluation.headline import Headline
from trainer.run import runs
from trainer.run.runs import Run
from trainer.system import durable, job
from trainer.system.display_text import counted
from trainer.system.job import Job, Verb
from trainer.system.workspace import LABELS, SYNTHETIC_PREFIX, Workspace

VERB: Verb = "create"
Stage = Literal["data", "training", "evaluation", "export"]
STAGES: tuple[Stage, ...] = ("data", "training", "evaluation", "export")
TITLES: dict[Stage, str] = {
    "data": "Make the data set",
    "training": "Train",
    "evaluation": "Evaluate",
    "export": "Export the model",
}
LEAST_MINUTES, MOST_MINUTES = 1.0, 240.0
LEAST_SHARE = 0.05
"""From this share on the pace of a stage tells how long it takes."""
State = Literal["running", "paused", "failed", "unknown", "done"]


class Order(BaseModel, frozen=True):
    """What a user orders: a phrase, how it is pronounced (in IPA; none: the voices decide), about how many minutes it
    may take, and the seed of clips, split and training."""

    phrase: str
    language: str = "en"
    minutes: float = Field(default=10.0, ge=LEAST_MINUTES, le=MOST_MINUTES)
    pronunciations: tuple[str, ...] = ()
    seed: int = Field(default=0, ge=0, lt=2**31)


class Before(BaseModel, frozen=True):
    """The result for the same phrase with another number of the user's recordings of it."""

    recordings: int
    text: str


class Creation(BaseModel, frozen=True):
    """data/creation.json. `inputs` is the digest of the order, the voices, the recipe and the user's clips: with
    others, a new creation begins. Times are seconds; `took` has the finished stages."""

    id: str
    order: Order
    inputs: str
    voices: tuple[str, ...]
    """The names of the engines that speak."""
    recordings: int
    """The user's own recordings of the phrase."""
    created: str
    began: float
    """Unix time at which the current stage began, in the last process."""
    clock: float = 0.0
    """The same in seconds since boot: a job that started later has not begun its order yet."""
    planned: dict[Stage, float] = {}
    took: dict[Stage, float] = {}
    run: str = ""
    evaluation: str = ""
    before: Before | None = None

    @property
    def stage(self) -> Stage | None:
        """The first unfinished stage; None when all are finished."""
        return next((stage for stage in STAGES if stage not in self.took), None)


@dataclass(frozen=True)
class Progress:
    """A creation as it is now: its state, and how far its current stage has come, `share` from 0 to 1 if known.

    `seconds_left` is an estimate for all stages; None while it is not running.
    """

    creation: Creation
    state: State
    run: Run | None
    """None before the training, and when it was deleted."""
    share: float | None
    doing: str
    message: str
    seconds_left: float | None


def file(workspace: Workspace) -> Path:
    return workspace.root / "data" / "creation.json"


def read(workspace: Workspace) -> Creation | None:
    """The newest creation; None before the first."""
    return durable.read_document(Creation, file(workspace))


def own_clips(workspace: Workspace, label: str) -> list[tuple[str, int]]:
    """(path below data/raw, size in bytes) of the clips of a label that were not synthesised, sorted."""
    found = list[tuple[str, int]]()
    for place, folders, names in os.walk(workspace.raw / label):
        if Path(place) == workspace.raw / label:
            folders[:] = [name for name in folders if not name.startswith((SYNTHETIC_PREFIX, "."))]
        paths = (Path(place, name) for name in names if file_names.is_audio(name) and not file_names.is_hidden(name))
        found += [(path.relative_to(workspace.raw).as_posix(), path.stat().st_size) for path in paths]
    return sorted(found)


def has_synthetic(workspace: Workspace) -> bool:
    """Whether there are synthetic clips, which the next creation replaces."""
    return any(True for label in LABELS for _ in (workspace.raw / label).glob(f"{SYNTHETIC_PREFIX}*"))


def digest(workspace: Workspace, order: Order, voices: tuple[str, ...], made_by: str) -> str:
    """The digest of all that decides the result; `made_by` is the recipe of the clips and the training."""
    parts = [order.model_dump_json(), *voices, made_by]
    parts += [f"{path} {size}" for label in LABELS for path, size in own_clips(workspace, label)]
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def headline_of(run: Run | None) -> Headline | None:
    """The headline of a run; None without one."""
    return headline.of(operating_point.of_run(runs.status(run))) if run else None


def is_starting(workspace: Workspace) -> bool:
    """Whether a job was started that has not begun its order yet."""
    return _is_starting(read(workspace), job.read(workspace, VERB))


def _is_starting(current: Creation | None, working: Job | None) -> bool:
    is_new = current is None or working is None or current.clock < working.clock
    return working is not None and working.state == "running" and is_new


def progress(workspace: Workspace) -> Progress | None:
    """The newest creation as it is now; None before the first, and while another one is starting."""
    current, working = read(workspace), job.read(workspace, VERB)
    if current is None or _is_starting(current, working):
        return None
    state, run = _state(current, working), runs.by_id(workspace, current.run)
    message = working.message if working else ""
    if state != "running" or working is None:
        return Progress(current, state, run, None, "", message, None)
    share = min(1.0, working.done / working.total) if working.total else None
    return Progress(current, state, run, share, working.doing, message, _seconds_left(current, share, run))


def _state(current: Creation, working: Job | None) -> State:
    if working and working.state in ("running", "unknown"):
        return "running" if working.state == "running" else "unknown"
    if current.stage is None:
        return "done"
    return "failed" if working and working.state == "failed" else "paused"


def _seconds_left(current: Creation, share: float | None, run: Run | None) -> float | None:
    """An estimate: of the current stage from its run or its pace, of the later ones as planned."""
    if current.stage is None:
        return None
    later = STAGES[STAGES.index(current.stage) + 1 :]
    rest = sum(current.planned.get(stage, 0.0) for stage in later)
    if current.stage == "training" and run and (reported := runs.status(run).progress) and reported.eta_seconds:
        return reported.eta_seconds + rest
    elapsed, planned = time.time() - current.began, current.planned.get(current.stage, 0.0)
    if share is not None and share > LEAST_SHARE:
        return max(0.0, elapsed / share * (1 - share)) + rest
    return max(planned - elapsed, LEAST_SHARE * planned) + rest


def document(progress: Progress) -> dict[str, Any]:
    """A creation as a JSON document: its phrase, state and stage, the id of its run, seconds."""
    current = progress.creation
    return {
        "phrase": current.order.phrase,
        "state": progress.state,
        "stage": current.stage,
        "run": current.run or None,
        "recordings": current.recordings,
        "voices": list(current.voices),
        "seconds": round(sum(current.took.values()), 1),
        "seconds_left": None if progress.seconds_left is None else round(progress.seconds_left),
        "message": progress.message,
    }


def arguments(order: Order) -> list[str]:
    """The arguments of the command that fulfils an order."""
    spoken = [f"--pronunciation={ipa}" for ipa in order.pronunciations]
    seed = [f"--seed={order.seed}"] if order.seed else []
    return [f"--minutes={order.minutes:g}", f"--language={order.language}", *seed, *spoken, "--", order.phrase]


def time_left(progress: Progress) -> str:
    """How long the rest takes, as text; empty when unknown."""
    if progress.seconds_left is None:
        return ""
    minutes = round(progress.seconds_left / 60)
    return f"about {minutes:,} min left" if minutes else "less than a minute left"


def sentences(progress: Progress) -> list[str]:
    """How far a creation is; once it is ready, its headline and what to do next."""
    current = progress.creation
    name = f"“{current.order.phrase}”"
    if progress.state == "running":
        doing = ", ".join(filter(None, (progress.doing or TITLES[current.stage or "data"], time_left(progress))))
        return [f"{name} is being created: {doing}."]
    if progress.state != "done":
        return [progress.message or f"{name} is not finished.", "Create it again to continue."]
    if (headline := headline_of(progress.run)) is None:
        return [f"The run of {name} was deleted.", "Create it again."]
    minutes = sum(current.took.values()) / 60
    return [f"{name} is ready after {minutes:.0f} min.", headline.text, headline.advice, *changed(current)]


def changed(current: Creation) -> list[str]:
    """What other recordings changed, as sentences."""
    if current.before is None or current.before.recordings == current.recordings:
        return []
    own, earlier = (counted(count, "recording") for count in (current.recordings, current.before.recordings))
    return [f"With {own} of yours. With {earlier} it was: {current.before.text}"]
