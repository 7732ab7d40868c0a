"""label_scores.json of a run: how surely the training heard each of its clips as the label says."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field

from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import document_file
from trainer.system.workspace import Workspace


class ClipScore(BaseModel, frozen=True):
    """One clip as it was trained or validated with. `margin` is the mean over its windows of all epochs (the logit of
    its own label, see `engine.margins`), `right` the share of those windows that the model told as the label says."""

    path: str
    label: str
    digest: str
    part: str
    margin: float = Field(allow_inf_nan=False)
    right: float = Field(ge=0, le=1)


class LabelScores(BaseModel, frozen=True):
    """label_scores.json, written by the trainer after each epoch."""

    epochs: int = Field(ge=1)
    clips: tuple[ClipScore, ...]


def scored_runs(workspace: Workspace) -> Iterator[Run]:
    """The runs that have label scores and are not under way, newest first; read one by one, as there may be many."""
    names = (path.name for path in workspace.runs.iterdir()) if workspace.runs.is_dir() else ()
    for name in sorted(filter(runs.ID.fullmatch, names), reverse=True):
        run = Run(workspace.runs / name)
        if run.label_scores_file.is_file() and runs.status(run).state not in ACTIVE:
            yield run


def read_scores(run: Run) -> LabelScores | None:
    """The label scores of a run; None where there are none or they cannot be read."""
    return document_file.read_document(LabelScores, run.label_scores_file)
