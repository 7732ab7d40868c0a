"""Repairs of clips: quarantine, trimming, conversion, channel selection. Originals go to the trash for Undo."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from trainer.audio import audio_file, audio_reader
from trainer.dataset import changes, clips, findings, importing, speaker_names
from trainer.dataset.changes import RAW, Change, Move
from trainer.dataset.measures import measure
from trainer.system.job import Report
from trainer.system.workspace import LABELS, Workspace

Wave = NDArray[np.float32]

NOTHING = "There is nothing left to repair here. Scan again to update the findings."
LISTEN_FIRST = (
    "These clips are repaired one by one: list them with `python -m trainer suspects`, listen, and then relabel, "
    "quarantine or confirm them."
)
KEPT_SECONDS = 0.3
"""Silence left before and after the sound by trimming."""


def trimmed(wave: Wave, sample_rate: int) -> Wave:
    """The sounding part of a mono wave [samples] with KEPT_SECONDS around it."""
    measures, margin = measure(wave, sample_rate), round(KEPT_SECONDS * sample_rate)
    first = max(0, round(measures.lead_seconds * sample_rate) - margin)
    return wave[first : len(wave) - max(0, round(measures.tail_seconds * sample_rate) - margin)]


def converted(wave: Wave, sample_rate: int) -> Wave:
    """The wave without its constant offset."""
    return np.asarray(wave - wave.mean())


def mend(workspace: Workspace, code: str, report: Report) -> Change:
    """Apply the remedy of one finding to all its clips. Raises ValueError when there is nothing to repair, OSError.

    The remedies in `findings.GENERATED` add clips instead and are not applied here.
    """
    scanned = clips.load(workspace)
    if code == findings.WRONG_LABELS:
        raise ValueError(LISTEN_FIRST)
    if scanned and code == findings.REFUSED:
        lasting = ~scanned.refused["reason"].isin(findings.PASSING)
        return _quarantine_refused(workspace, scanned.refused.loc[lasting, "path"].tolist())
    if scanned and code == speaker_names.CODE:
        return speaker_names.apply(workspace, scanned.clips)
    every = findings.find(scanned.clips) if scanned else []
    finding = next((each for each in every if each.code == code and each.remedy), None)
    if finding is None or not finding.paths:
        raise ValueError(NOTHING)
    if finding.remedy == "quarantine":
        return delete(workspace, finding.surplus or finding.paths, f"Quarantine: {finding.title.lower()}")
    assert scanned
    if finding.remedy == "channel":
        best = scanned.clips.set_index("path")["best_channel"].loc[list(finding.paths)]
        channels = {str(path): int(channel) for path, channel in best.items()}
        return _rewrite(workspace, channels, f"Best channel: {finding.title.lower()}", report, _same)
    word, remedy = ("Trimmed", trimmed) if finding.remedy == "trim" else ("Converted", converted)
    title = f"{word}: {finding.title.lower()}"
    return _rewrite(workspace, dict.fromkeys(finding.paths, 0), title, report, remedy)


def use_channel(workspace: Workspace, paths: Sequence[str], channel: int) -> Change:
    """Replace each clip with one of its channels (from 1). Raises ValueError, OSError."""
    title = f"Channel {channel} of {paths[0] if len(paths) == 1 else f'{len(paths):,} clips'}"
    return _rewrite(workspace, dict.fromkeys(paths, channel), title, lambda done, total, text: None, _same)


def _quarantine_refused(workspace: Workspace, paths: Sequence[str]) -> Change:
    """Move refused files to the trash; folders that cannot be opened and names that are not text stay."""
    files = [path for path in paths if os.path.lexists(workspace.raw / path)]
    files = [path for path in files if (workspace.raw / path).is_symlink() or not (workspace.raw / path).is_dir()]
    if not files:
        raise ValueError(NOTHING)
    return delete(workspace, files, "Quarantine: refused files")


def _same(wave: Wave, sample_rate: int) -> Wave:
    return wave


def _rewrite(
    workspace: Workspace, channels: Mapping[str, int], title: str, report: Report, remedy: Callable[[Wave, int], Wave]
) -> Change:
    """Replace each clip with a mono 16-bit WAV file of the given channel (0: the mix that training uses)."""
    with importing.staging(workspace) as (change_id, folder):
        moves = []
        for number, (path, channel) in enumerate(channels.items()):
            report(number, len(channels), "Writing clips")
            try:
                wave, facts = audio_reader.read(workspace.raw / path, channel)
            except audio_file.AudioRefused as error:
                raise ValueError(f"{path}: {error}") from None
            new = folder / f"{number:06d}.wav"
            audio_file.write(new, remedy(wave, facts.sample_rate), facts.sample_rate)
            target = str(PurePosixPath(path).with_suffix(".wav"))
            if target != path and (workspace.raw / target).exists():
                raise ValueError(
                    f"{target} already exists, so {path} cannot be converted to WAV. Rename one of them first."
                )
            moves += changes.to_trash(change_id, [path])
            moves.append(Move(source=new.relative_to(workspace.root / "data").as_posix(), target=f"{RAW}/{target}"))
        return changes.apply(workspace, title, moves, change_id)


def delete(workspace: Workspace, paths: Sequence[str], title: str = "") -> Change:
    """Move clips to the trash. Raises OSError."""
    change_id = changes.new_id()
    shown = title or (f"Deleted {paths[0]}" if len(paths) == 1 else f"Deleted {len(paths):,} clips")
    return changes.apply(workspace, shown, changes.to_trash(change_id, paths), change_id)


def relabel(workspace: Workspace, paths: Sequence[str], label: str) -> Change:
    """Move clips to the same place under another label. Raises ValueError, OSError."""
    if label not in LABELS:
        raise ValueError(f"There is no label {label!r:.40}; choose one of {', '.join(LABELS)}.")
    moved = [path for path in paths if Path(path).parts[0] != label]
    if not moved:
        raise ValueError(f"These clips already have the label {label}.")
    moves = [Move(source=f"{RAW}/{path}", target=f"{RAW}/{label}/{path.split('/', 1)[1]}") for path in moved]
    shown = moved[0] if len(moved) == 1 else f"{len(moved):,} clips"
    return changes.apply(workspace, f"Relabelled {shown} as {label}", moves)
