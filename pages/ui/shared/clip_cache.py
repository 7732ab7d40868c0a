"""The clips of the last scan and their findings, cached for all pages and tabs until they change. Read only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from trainer.audio import manifest
from trainer.dataset import clips, speakers
from trainer.dataset.clips import ScannedClips
from trainer.dataset.findings import Finding
from trainer.evaluation import wrong_labels
from trainer.evaluation.wrong_labels import Suspects
from trainer.system.workspace import Workspace

Stamp = tuple[int, ...]


def stamp(workspace: Workspace) -> Stamp:
    """Changes whenever the scan or the speaker rule changes."""
    data = workspace.root / "data"
    return stamp_of(workspace.scan_file, data / speakers.FILE, data / speakers.CSV_FILE)


def stamp_of(*files: Path) -> Stamp:
    return tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)


def _label_stamp(workspace: Workspace) -> Stamp:
    """Changes also when a training scores its clips or a label is confirmed."""
    run = next(wrong_labels.scored_runs(workspace), None)
    scores = stamp_of(run.label_scores_file) if run else (0,)
    return (*stamp(workspace), *scores, *stamp_of(workspace.root / "data" / wrong_labels.CONFIRMED))


@st.cache_resource(max_entries=2, show_spinner=False)
def _scanned(root: str, workspace_stamp: Stamp, _workspace: Workspace) -> ScannedClips | None:
    return clips.load(_workspace)


@st.cache_resource(max_entries=2, show_spinner=False)
def _findings(root: str, workspace_stamp: Stamp, _workspace: Workspace, _scanned: ScannedClips) -> list[Finding]:
    return wrong_labels.health(_workspace, _scanned.clips)


@st.cache_resource(max_entries=2, show_spinner=False)
def _suspects(root: str, workspace_stamp: Stamp, _workspace: Workspace, _scanned: ScannedClips) -> Suspects | None:
    return wrong_labels.find(_workspace, _scanned.clips)


@st.cache_resource(max_entries=2, show_spinner=False)
def _summary(root: str, workspace_stamp: Stamp, _workspace: Workspace, _scanned: ScannedClips) -> dict[str, Any]:
    return clips.summary(_workspace, _scanned, wrong_labels.health(_workspace, _scanned.clips))


@st.cache_resource(max_entries=2, show_spinner=False)
def _training_paths(root: str, stamps: Stamp, _workspace: Workspace, _scanned: ScannedClips) -> pd.Series:
    training = {clip.path for clip in manifest.read_split(_workspace, "train") if clip.label != "rirs"}
    paths = _scanned.clips["path"]
    return paths[paths.isin(training)]


def scanned(workspace: Workspace) -> ScannedClips | None:
    """The last scan; None without one."""
    return _scanned(str(workspace.root), stamp(workspace), workspace)


def health(workspace: Workspace, of: ScannedClips) -> list[Finding]:
    """All findings about the clips."""
    return _findings(str(workspace.root), _label_stamp(workspace), workspace, of)


def suspects(workspace: Workspace, of: ScannedClips) -> Suspects | None:
    """The clips whose label the newest training doubts."""
    return _suspects(str(workspace.root), _label_stamp(workspace), workspace, of)


def summary(workspace: Workspace, of: ScannedClips) -> dict[str, Any]:
    return _summary(str(workspace.root), _label_stamp(workspace), workspace, of)


def training_paths(workspace: Workspace, of: ScannedClips) -> pd.Series:
    """Paths of the clips in the training split, except rirs. Raises FileNotFoundError, ValueError."""
    stamps = (*stamp(workspace), *stamp_of(manifest.split_file(workspace, "train")))
    return _training_paths(str(workspace.root), stamps, workspace, of)
