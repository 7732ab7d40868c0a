"""The current split: its manifests in data/splits, made from the last scan, all earlier versions, and its quality."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from trainer.audio import manifest
from trainer.audio.manifest import SPLITS, Clip
from trainer.dataset import clips as clips_of
from trainer.dataset import split_assignment
from trainer.dataset.split_assignment import ALWAYS_TRAIN, NEAR, Alike, Ratios, keys, split
from trainer.system import durable
from trainer.system.display_text import counted
from trainer.system.workspace import STREAM, Workspace

NO_SCAN = "No scan found. Scan the data set first: Scan Datasets on the Dataset page, or `python -m trainer scan`."


class Facts(BaseModel, frozen=True):
    """data/splits/split.json: how a split was made. `left_out`: paths of clips in no split, because they would leak;
    `by_recording`: speakers by label that are in several splits, because there are too few."""

    fingerprint: str
    ratios: Ratios
    seed: int
    created: str
    left_out: list[str]
    by_recording: dict[str, list[str]] = {}


def _facts_file(workspace: Workspace) -> Path:
    return workspace.splits / "split.json"


def facts(workspace: Workspace) -> Facts | None:
    """The facts of the current split; None without a split, or when its manifests were edited by hand."""
    try:
        stored = Facts.model_validate(durable.read_json(_facts_file(workspace)))
        return stored if stored.fingerprint == manifest.fingerprint(workspace) else None
    except (ValidationError, FileNotFoundError):
        return None


def _assigned(workspace: Workspace, ratios: Ratios, seed: int, scratch: bool) -> dict[str, str]:
    """The split of each path, if ratios and seed are those of the current split; empty from scratch."""
    current = facts(workspace)
    if scratch or current is None or (current.ratios, current.seed) != (ratios, seed):
        return {}
    return {clip.path: part for part, clips in manifest.read_splits(workspace).items() for clip in clips}


def split_dataset(workspace: Workspace, ratios: Ratios, seed: int, scratch: bool = False) -> dict[str, Any]:
    """Split the clips of the last scan, write the manifests, and return `describe` of them.

    With the same ratios and seed, clips keep their split, unless from scratch; false accepts that were sent to the
    hard negatives always go to train. Raises FileNotFoundError without a scan, ValueError, OSError.
    """
    scanned = clips_of.load(workspace)
    if scanned is None:
        raise FileNotFoundError(NO_SCAN)
    assigned = _assigned(workspace, ratios, seed, scratch)
    assigned |= {path: "train" for path in scanned.clips["path"] if path.startswith(ALWAYS_TRAIN)}
    by_recording = split_assignment.rare_speakers(scanned.clips, sum(ratio > 0 for ratio in ratios))
    clips = split_assignment.by_recording(scanned.clips, by_recording)
    alike = clips_of.near_sets(clips)
    shared = split(clips_of.as_manifest(clips), ratios, seed, assigned, alike, by_recording)
    for part, chosen in shared.splits.items():
        manifest.write_split(workspace, part, chosen)
    new_facts = Facts(
        fingerprint=manifest.fingerprint(workspace),
        ratios=ratios,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        left_out=[clip.path for clip in shared.left_out],
        by_recording=by_recording,
    )
    durable.replace_json(_facts_file(workspace), new_facts.model_dump())
    _save_version(workspace, new_facts.fingerprint)
    summary = describe(manifest.read_splits(workspace), alike, by_recording)
    return summary | {"fingerprint": new_facts.fingerprint, "left_out": new_facts.left_out}


def _save_version(workspace: Workspace, fingerprint: str) -> None:
    """Copy the split to a folder named by its fingerprint, so that the split of an old run can be restored."""
    place = workspace.splits / "versions" / fingerprint
    if place.exists():
        return
    partial = place.with_name(f"{fingerprint}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for file in (*(manifest.split_file(workspace, part) for part in SPLITS), _facts_file(workspace)):
        shutil.copyfile(file, partial / file.name)
    partial.rename(place)


def voice_sentences(workspace: Workspace) -> list[str]:
    """What a current split by recording measures, as sentences; none when every speaker is in one split."""
    current = facts(workspace)
    return split_assignment.sentences(current.by_recording) if current else []


def versions(workspace: Workspace) -> list[Facts]:
    """The facts of all splits, newest first."""
    every = []
    for file in (workspace.splits / "versions").glob("*/split.json"):
        try:
            every.append(Facts.model_validate(durable.read_json(file)))
        except ValidationError:
            continue
    return sorted(every, key=lambda facts: facts.created, reverse=True)


def sentence(summary: Mapping[str, Any]) -> str:
    """The result of `describe` in one line, without the labels."""
    counts = {part: sum(summary[part].values()) for part in SPLITS}
    parts = ", ".join(f"{count:,} to {part}" for part, count in counts.items())
    every = counted(sum(counts.values()), "clip")
    return f"Split {every}: {parts}. Groups in more than one split: {summary['groups_in_two_splits']}."


NAMES = {"train": "training", "val": "validation", "test": "test"}
_WORDS = {
    "positive": "positives",
    "negative": "negatives",
    "hard_negative": "hard negatives",
    "background": "background noise",
    "rirs": "room impulse responses",
    STREAM: "long recordings",
}


def missing_sentences(summary: Mapping[str, Any]) -> list[str]:
    """The labels that a split lacks, as sentences."""
    return [
        f"The {NAMES[part]} split has no {' and no '.join(_WORDS[each] for each in labels)}: there are too few "
        "speakers (folders) to distribute. "
        "If a folder contains several people, assign speakers on the Dataset page under Clips, Speakers."
        for part, labels in summary["missing"].items()
        if labels
    ]


def warnings(summary: Mapping[str, Any]) -> list[str]:
    """The limits of figures that are measured on a split, as sentences."""
    return [*split_assignment.sentences(summary["by_recording"]), *missing_sentences(summary)]


def _missing(part: str, labels: Iterable[str], counts: Mapping[str, int]) -> list[str]:
    """Labels that a split lacks; train needs no long recordings while there are few sources."""
    return [label for label in labels if label not in counts and (part, label) != ("train", STREAM)]


def describe(
    splits: Mapping[str, Sequence[Clip]],
    alike: Alike | None = None,
    by_recording: split_assignment.Voices | None = None,
) -> dict[str, Any]:
    """Clips by split and label, their shares of the label, and the leakage.

    `groups_in_two_splits` counts speakers and sounds (there should be none), `near_in_two_splits` sets of near
    duplicates; `without_speaker` counts positives of unknown speakers, for which leakage cannot be excluded; `missing`
    lists the labels that a split lacks although others have them; `by_recording` lists by label the speakers in several
    splits, each of whose recordings is a group.
    """
    speakers = dict(by_recording or {})
    places: dict[str, set[str]] = defaultdict(set)
    for part, clips in splits.items():
        for clip in clips:
            for key in keys(clip, alike or {}):
                places[key].add(part)
    counts: dict[str, Any] = {part: dict(Counter(clip.label for clip in clips)) for part, clips in splits.items()}
    every = [clip for clips in splits.values() for clip in clips]
    totals = Counter(clip.label for clip in every)
    return counts | {
        "shares": {part: {label: n / totals[label] for label, n in counts[part].items()} for part in splits},
        "groups_in_two_splits": sum(len(parts) > 1 for key, parts in places.items() if not key.startswith(NEAR)),
        "near_in_two_splits": sum(len(parts) > 1 for key, parts in places.items() if key.startswith(NEAR)),
        "missing": {part: _missing(part, totals, counts[part]) for part in splits if counts[part]},
        "without_speaker": sum(clip.group == clip.path and clip.label == "positive" for clip in every)
        if "positive" not in speakers
        else 0,
        "by_recording": speakers,
    }
