"""Clips whose label the newest training doubts most: positives it heard least as the word, others it heard most so.

A clip is listed when its margin lies far below that of the other clips of its label, and nobody has confirmed its
label since. Which clips a training learns last, by the mean margin over all epochs, is how wrong labels are found
(Pleiss et al., "Identifying mislabeled data using the area under the margin ranking", NeurIPS 2020).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, ValidationError

from trainer.dataset import changes, findings, importing
from trainer.dataset.changes import Change, Move
from trainer.dataset.findings import Finding
from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system import durable
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
    return durable.read_document(LabelScores, run.label_scores_file)


CONFIRMED = "confirmed"
"""The folder below data/ that holds which labels were confirmed: one file for each change."""
MOST_SHARE = 0.1
"""Of the clips of a label, at most so many are listed: more is no wrong label, but a word that is hard to learn."""
LEAST_EPOCHS = 3
"""A shorter training says little of a clip."""
DEVIATIONS = 6.0
"""A margin so many deviations below the median of its label is far below; 1.4826 times the median of the distances
from the median estimates a deviation that wrong labels hardly change (Hampel 1974)."""


@dataclass(frozen=True)
class Suspects:
    """What the run `run_id` doubts, the most doubtful first."""

    run_id: str
    epochs: int
    clips: tuple[ClipScore, ...]


class _Label(BaseModel, frozen=True):
    path: str
    label: str
    digest: str


class _Confirmed(BaseModel, frozen=True):
    clips: tuple[_Label, ...]


def ranked(scores: Sequence[ClipScore]) -> list[ClipScore]:
    """Clips of one label, the most doubtful first."""
    return sorted(scores, key=lambda score: (score.margin, score.path))


def doubted(scores: Sequence[ClipScore]) -> list[ClipScore]:
    """The clips to listen to, by label."""
    by_label = defaultdict(list)
    for score in scores:
        by_label[score.label].append(score)
    return [score for some in by_label.values() for score in _far_below(some)]


def _far_below(scores: Sequence[ClipScore]) -> list[ClipScore]:
    """Of the clips of one label those far below the others, the most doubtful first."""
    margins = np.array([score.margin for score in scores])
    middle = float(np.median(margins))
    deviation = 1.4826 * float(np.median(np.abs(margins - middle)))
    far = min(middle - DEVIATIONS * deviation, middle)
    most = math.ceil(MOST_SHARE * len(scores))
    return [score for score in ranked(scores)[:most] if score.margin < far]


def find(workspace: Workspace, clips: pd.DataFrame) -> Suspects | None:
    """The clips of a scan whose label the newest training doubts; None when no run has scores.

    Clips that are gone, have changed or have another label since are left out, and confirmed ones.
    """
    for run in scored_runs(workspace):
        scores = read_scores(run)
        if scores and scores.epochs >= LEAST_EPOCHS:
            found = _present(workspace, clips, doubted(scores.clips))
            return Suspects(run.id, scores.epochs, tuple(ranked([*found])))
    return None


def _present(workspace: Workspace, clips: pd.DataFrame, found: Sequence[ClipScore]) -> Iterator[ClipScore]:
    """Those with the audio and the label that they were trained with, by the path that they have now."""
    places = defaultdict(list)
    for path, label, digest in zip(clips["path"], clips["label"], clips["digest"], strict=True):
        places[label, digest].append(path)
    right = confirmed(workspace)
    for score in found:
        paths = places[score.label, score.digest]
        if paths and (score.label, score.digest) not in right:
            yield score if score.path in paths else score.model_copy(update={"path": paths[0]})


def health(workspace: Workspace, clips: pd.DataFrame) -> list[Finding]:
    """Every finding about these clips, with that about their labels, the gravest first."""
    suspects = find(workspace, clips)
    return findings.by_severity([*findings.find(clips), *(finding(suspects) if suspects else ())])


def finding(suspects: Suspects) -> Iterator[Finding]:
    """The finding about these clips, if there are any."""
    if suspects.clips:
        yield Finding(
            findings.WRONG_LABELS,
            "warning",
            "Doubtful labels",
            f"During the whole training of run {suspects.run_id}, the scores of these clips fitted their label much "
            "less than those of other clips. A wrong label teaches the detector the opposite of what it should learn. "
            "Listen to each clip: look-alikes, rare voices and heavy noise are listed too, with correct labels.",
            tuple(score.path for score in suspects.clips),
        )


def sentence(score: ClipScore) -> str:
    """How the training classified a clip."""
    kind = "the word" if score.label == "positive" else "other sound"
    return f"classified as {kind} in {100 * score.right:.0f} % of its windows, margin {score.margin:+.1f}"


def check_known(clips: pd.DataFrame, paths: Sequence[str]) -> None:
    """Raises ValueError for a path that is no clip of the scan."""
    known = set(clips["path"])
    if unknown := [path for path in paths if path not in known]:
        raise ValueError(f"{unknown[0]} is not a clip of the last scan. Give paths below data/raw, or scan again.")


def confirmed(workspace: Workspace) -> set[tuple[str, str]]:
    """(label, digest) of every clip of which somebody confirmed the label; what cannot be read confirms nothing."""
    found = set()
    for path in sorted((workspace.root / "data" / CONFIRMED).glob("*.json")):
        try:
            document = _Confirmed.model_validate(durable.read_json(path))
        except ValidationError:
            continue
        found |= {(clip.label, clip.digest) for clip in document.clips}
    return found


def confirm(workspace: Workspace, clips: pd.DataFrame, paths: Sequence[str]) -> Change:
    """Remember that the labels of these clips of the scan are right; they are not listed again until that is undone.

    Raises ValueError for a clip that is not known, OSError.
    """
    check_known(clips, paths)
    known = clips.set_index("path")
    rows = [_Label(path=path, label=known["label"][path], digest=known["digest"][path]) for path in paths]
    with importing.staging(workspace) as (change_id, folder):
        durable.replace_json(folder / "labels.json", _Confirmed(clips=tuple(rows)).model_dump())
        target = f"{CONFIRMED}/{change_id}.json"
        source = (folder / "labels.json").relative_to(workspace.root / "data").as_posix()
        shown = paths[0] if len(paths) == 1 else f"{len(paths):,} clips"
        title = f"Confirmed the label of {shown}"
        return changes.apply(workspace, title, [Move(source=source, target=target)], change_id)
