"""Clips whose label is doubtful by the scores of the newest training, and confirmed labels.

A clip is listed when its mean margin over all epochs lies far below that of the other clips of its label, unless its
label has been confirmed (Pleiss et al., "Identifying mislabeled data using the area under the margin ranking", NeurIPS
2020).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, ValidationError

from trainer.dataset import changes, findings, importing, speaker_names
from trainer.dataset.changes import Change, Move
from trainer.dataset.findings import Finding
from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.streams.stream_set import is_synthetic
from trainer.system import durable
from trainer.system.workspace import Workspace


class ClipScore(BaseModel, frozen=True):
    """One clip of the training or validation split. `margin` is the mean logit of its label over its windows in all
    epochs, `right` the share of these windows that the model classified as labelled."""

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
    """Inactive runs with label scores, newest first, read lazily."""
    names = (path.name for path in workspace.runs.iterdir()) if workspace.runs.is_dir() else ()
    for name in sorted(filter(runs.ID.fullmatch, names), reverse=True):
        run = Run(workspace.runs / name)
        if run.label_scores_file.is_file() and runs.status(run).state not in ACTIVE:
            yield run


def read_scores(run: Run) -> LabelScores | None:
    """The label scores of a run; None when there are none or they cannot be read."""
    return durable.read_document(LabelScores, run.label_scores_file)


CONFIRMED = "confirmed"
"""The folder in data/ with the confirmed labels, one file per change."""
MOST_SHARE = 0.1
"""At most this share of the clips of a label is listed; more would be a word that is hard to learn."""
LEAST_EPOCHS = 3
"""Shorter trainings are ignored."""
DEVIATIONS = 6.0
"""Standard deviations below the median, estimated robustly as 1.4826 times the median absolute deviation (Hampel
1974)."""


@dataclass(frozen=True)
class Suspects:
    """The clips with doubtful labels by the run `run_id`, most doubtful first."""

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
    """Clips sorted by margin, most doubtful first."""
    return sorted(scores, key=lambda score: (score.margin, score.path))


def doubted(scores: Sequence[ClipScore]) -> list[ClipScore]:
    """The clips with a doubtful label, by label."""
    by_label = defaultdict(list)
    for score in scores:
        by_label[score.label].append(score)
    return [score for group in by_label.values() for score in _outliers(group)]


def _outliers(scores: Sequence[ClipScore]) -> list[ClipScore]:
    """The clips of one label with margins far below the others, most doubtful first."""
    margins = np.array([score.margin for score in scores])
    median = float(np.median(margins))
    deviation = 1.4826 * float(np.median(np.abs(margins - median)))
    limit = min(median - DEVIATIONS * deviation, median)
    most = math.ceil(MOST_SHARE * len(scores))
    return [score for score in ranked(scores)[:most] if score.margin < limit]


def find(workspace: Workspace, clips: pd.DataFrame) -> Suspects | None:
    """The clips of a scan whose label is doubtful by the newest training; None when no run has scores.

    Clips that have been removed, changed, relabelled or confirmed since are left out.
    """
    for run in scored_runs(workspace):
        scores = read_scores(run)
        if scores and scores.epochs >= LEAST_EPOCHS:
            present = _present(workspace, clips, doubted(scores.clips))
            return Suspects(run.id, scores.epochs, tuple(ranked([*present])))
    return None


def _present(workspace: Workspace, clips: pd.DataFrame, scores: Sequence[ClipScore]) -> Iterator[ClipScore]:
    """The unconfirmed clips with unchanged audio and label, with their present path."""
    paths_by_clip = defaultdict(list)
    for path, label, digest in zip(clips["path"], clips["label"], clips["digest"], strict=True):
        paths_by_clip[label, digest].append(path)
    labels = confirmed(workspace)
    for score in scores:
        paths = paths_by_clip[score.label, score.digest]
        if paths and (score.label, score.digest) not in labels:
            yield score if score.path in paths else score.model_copy(update={"path": paths[0]})


def health(workspace: Workspace, clips: pd.DataFrame) -> list[Finding]:
    """Every finding about these clips, most severe first: also doubtful labels, and speakers in their names."""
    suspects = find(workspace, clips)
    doubtful = finding(suspects) if suspects else ()
    return findings.by_severity([*findings.find(clips), *doubtful, *speaker_names.finding(clips)])


def finding(suspects: Suspects) -> Iterator[Finding]:
    """The finding about doubtful labels, if there are any; nobody is to blame for those of synthetic clips."""
    paths = tuple(score.path for score in suspects.clips)
    if not paths:
        return
    contradicted = (
        f"During the training of run {suspects.run_id}, the scores of these clips contradicted their label more than "
        "those of other clips."
    )
    if all(map(is_synthetic, paths)):
        advice = "All are synthetic: some voices say the word badly. Listen to them, and quarantine those that do."
        yield Finding(findings.WRONG_LABELS, "info", "Doubtful labels", f"{contradicted} {advice}", paths)
        return
    advice = (
        "Wrong labels make the detector worse. Listen to each clip: look-alikes, rare voices and heavy noise with "
        "correct labels are also listed."
    )
    yield Finding(findings.WRONG_LABELS, "warning", "Doubtful labels", f"{contradicted} {advice}", paths)


def sentence(score: ClipScore) -> str:
    """How the training classified a clip."""
    kind = "the word" if score.label == "positive" else "other sound"
    return f"classified as {kind} in {100 * score.right:.0f} % of its windows, margin {score.margin:+.1f}"


def check_known(clips: pd.DataFrame, paths: Sequence[str]) -> None:
    """Raises ValueError for a path that is not a clip of the scan."""
    scanned = set(clips["path"])
    if unknown := [path for path in paths if path not in scanned]:
        raise ValueError(f"{unknown[0]} is not a clip of the last scan. Give paths below data/raw, or scan again.")


def confirmed(workspace: Workspace) -> set[tuple[str, str]]:
    """(label, digest) of every clip with a confirmed label; unreadable files are ignored."""
    labels = set()
    for path in sorted((workspace.root / "data" / CONFIRMED).glob("*.json")):
        try:
            document = _Confirmed.model_validate(durable.read_json(path))
        except ValidationError:
            continue
        labels |= {(clip.label, clip.digest) for clip in document.clips}
    return labels


def confirm(workspace: Workspace, clips: pd.DataFrame, paths: Sequence[str]) -> Change:
    """Store that the labels of these clips of the scan are correct, so that they are not listed until this is undone.

    Raises ValueError for a clip that is not in the scan, OSError.
    """
    check_known(clips, paths)
    by_path = clips.set_index("path")
    rows = [_Label(path=path, label=by_path["label"][path], digest=by_path["digest"][path]) for path in paths]
    with importing.staging(workspace) as (change_id, folder):
        durable.replace_json(folder / "labels.json", _Confirmed(clips=tuple(rows)).model_dump())
        target = f"{CONFIRMED}/{change_id}.json"
        source = (folder / "labels.json").relative_to(workspace.root / "data").as_posix()
        title = f"Confirmed the label of {paths[0] if len(paths) == 1 else f'{len(paths):,} clips'}"
        return changes.apply(workspace, title, [Move(source=source, target=target)], change_id)
