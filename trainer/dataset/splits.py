"""The current split: made from the last scan, stored in data/splits with all earlier versions, and its quality."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from trainer.audio import manifest
from trainer.audio.manifest import SPLITS, Clip
from trainer.dataset import clips as clips_of
from trainer.dataset import split_assignment
from trainer.dataset.split_assignment import NEAR, TO_TRAIN, Alike, Ratios, keys, split
from trainer.system import durable
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

NO_SCAN = "No scan found. Scan the data set first: Scan Datasets on the Dataset page, or `python -m trainer scan`."


class Facts(BaseModel, frozen=True):
    """How a split was made; data/splits/split.json. `left_out`: paths that would have leaked; `by_recording`: speakers
    by label that lie in several splits, as there are too few of them."""

    fingerprint: str
    ratios: Ratios
    seed: int
    created: str
    left_out: list[str]
    by_recording: dict[str, list[str]] = {}


def _facts_file(workspace: Workspace) -> Path:
    return workspace.splits / "split.json"


def facts(workspace: Workspace) -> Facts | None:
    """How the split in force was made; None when there is none, or its manifests have been changed since by hand."""
    try:
        found = Facts.model_validate(durable.read_json(_facts_file(workspace)))
        return found if found.fingerprint == manifest.fingerprint(workspace) else None
    except (ValidationError, FileNotFoundError):
        return None


def _assigned(workspace: Workspace, ratios: Ratios, seed: int, scratch: bool) -> dict[str, str]:
    """Where clips lie now, if that is to stay: the same ratios and seed, and not from scratch."""
    now = facts(workspace)
    if scratch or now is None or (now.ratios, now.seed) != (ratios, seed):
        return {}
    return {clip.path: part for part, clips in manifest.read_splits(workspace).items() for clip in clips}


def split_dataset(workspace: Workspace, ratios: Ratios, seed: int, scratch: bool = False) -> dict[str, Any]:
    """Split what the last scan found and write the manifests.

    Clips that were assigned by the same ratios and seed stay where they are, unless from scratch; false accepts that
    were sent to the hard negatives are always for train. Raises FileNotFoundError without a scan, ValueError, OSError.
    """
    found = clips_of.load(workspace)
    if found is None:
        raise FileNotFoundError(NO_SCAN)
    assigned = _assigned(workspace, ratios, seed, scratch)
    assigned |= {path: "train" for path in found.clips["path"] if path.startswith(f"{TO_TRAIN}/")}
    by_recording = split_assignment.of_few(found.clips, sum(ratio > 0 for ratio in ratios))
    clips = split_assignment.by_recording(found.clips, by_recording)
    alike = clips_of.near_sets(clips)
    shared = split(clips_of.as_manifest(clips), ratios, seed, assigned, alike, by_recording)
    for part, chosen in shared.splits.items():
        manifest.write_split(workspace, part, chosen)
    made = Facts(
        fingerprint=manifest.fingerprint(workspace),
        ratios=ratios,
        seed=seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        left_out=[clip.path for clip in shared.left_out],
        by_recording=by_recording,
    )
    durable.replace_json(_facts_file(workspace), made.model_dump())
    _keep_version(workspace, made.fingerprint)
    return describe(manifest.read_splits(workspace), alike, by_recording) | {
        "fingerprint": made.fingerprint,
        "left_out": made.left_out,
    }


def _keep_version(workspace: Workspace, fingerprint: str) -> None:
    """A copy under its fingerprint, so that the split of an old run can be looked up and put back."""
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
    """Which voices alone the split in force measures, as sentences; none when speakers are kept apart."""
    now = facts(workspace)
    return split_assignment.sentences(now.by_recording) if now else []


def versions(workspace: Workspace) -> list[Facts]:
    """Every split there has been, newest first."""
    found = []
    for file in (workspace.splits / "versions").glob("*/split.json"):
        try:
            found.append(Facts.model_validate(durable.read_json(file)))
        except ValidationError:
            continue
    return sorted(found, key=lambda facts: facts.created, reverse=True)


def sentence(summary: Mapping[str, Any]) -> str:
    """The document of `describe` in a line, for the page; its table tells the labels."""
    counts = {part: sum(summary[part].values()) for part in SPLITS}
    told = ", ".join(f"{count:,} to {part}" for part, count in counts.items())
    every = counted(sum(counts.values()), "clip")
    return f"Split {every}: {told}. Groups in more than one split: {summary['groups_in_two_splits']}."


def missing_sentences(summary: Mapping[str, Any]) -> list[str]:
    """What a split has nothing of, as sentences: what is measured on it says nothing of such clips."""
    return [
        f"The {part} split has no {' and no '.join(labels)}: there are too few speakers (folders) to distribute. "
        "If a folder contains several people, assign speakers on the Dataset page under Clips, Speakers."
        for part, labels in summary["missing"].items()
        if labels
    ]


def warnings(summary: Mapping[str, Any]) -> list[str]:
    """What is to be known of the figures that are measured on a split, as sentences."""
    return [*split_assignment.sentences(summary["by_recording"]), *missing_sentences(summary)]


def describe(
    splits: Mapping[str, Sequence[Clip]],
    alike: Alike | None = None,
    by_recording: split_assignment.Voices | None = None,
) -> dict[str, Any]:
    """Clips by split and label, what share of its label that is, and what is known of leakage.

    `groups_in_two_splits` counts speakers and sounds (there should be none), `near_in_two_splits` sets of near
    duplicates; `without_speaker` counts positives of nobody known, for which leakage cannot be excluded; `missing`
    lists the labels that a split has nothing of although others do; `by_recording` tells by label the speakers who lie
    in several splits, each recording of theirs being a group.
    """
    told = dict(by_recording or {})
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
        "missing": {part: [name for name in totals if name not in counts[part]] for part in splits if counts[part]},
        "without_speaker": sum(clip.group == clip.path and clip.label == "positive" for clip in every)
        if "positive" not in told
        else 0,
        "by_recording": told,
    }
