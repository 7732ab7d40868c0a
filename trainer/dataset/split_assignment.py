"""Assigns clips to train, val and test so that no speaker and no audio is in two splits."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from trainer.audio.manifest import SPLITS, Clip
from trainer.system.display_text import counted
from trainer.system.workspace import LABELS, STREAM

TO_TRAIN = "hard_negative/false_accepts"
"""Folder of the clips that were sent from an evaluation."""
SELECTED = "selected-"
"""Begins the names of the sources of long recordings of which a model chose the pieces."""
ALWAYS_TRAIN = (f"{TO_TRAIN}/", f"{STREAM}/{SELECTED}")
"""Clips that were chosen because a model is wrong about them: false accepts are not counted in them."""
Voices = Mapping[str, Sequence[str]]
"""Speakers by label."""
_TOGETHER = (("positive",), ("negative", "hard_negative"))
"""Groups of labels; each split needs clips of at least one label of each group."""
Ratios = tuple[float, float, float]
SPEECH = ("positive", "negative", "hard_negative")
STREAM_RATIOS = (0.2, 0.4, 0.4)
"""The shares of long recordings: a promise of few false accepts takes hours in val and test, mining fewer in train."""
NEAR = "near "
Alike = Mapping[str, int]
"""Numbers of sets of near duplicates, by path."""


def rare_speakers(clips: pd.DataFrame, splits: int) -> dict[str, list[str]]:
    """The speakers of the labels with fewer speakers than splits, by label."""
    rare = dict[str, list[str]]()
    usable = clips[~clips["path"].str.startswith(ALWAYS_TRAIN)]
    for labels in _TOGETHER:
        rows = usable[usable["label"].isin(labels)]
        if rows["group"].nunique() < splits and (rows["speaker"] != "").any():
            by_label = rows[rows["speaker"] != ""].groupby("label")["speaker"]
            rare |= {str(label): sorted(set(speakers)) for label, speakers in by_label}
    return rare


def by_recording(clips: pd.DataFrame, voices: Voices) -> pd.DataFrame:
    """The clips (dataset.clips.ScannedClips.clips) with a group of its own for each recording of these voices."""
    alone = pd.Series(False, index=clips.index)
    for label, speakers in voices.items():
        alone |= (clips["label"] == label) & clips["speaker"].isin(speakers)
    return clips.assign(group=clips["group"].mask(alone, clips["path"]), speaker=clips["speaker"].mask(alone, ""))


def sentences(voices: Voices) -> list[str]:
    """What a split by recording measures, for each label that is split by recording."""
    return [_sentence(label, speakers) for label, speakers in voices.items()]


def _sentence(label: str, speakers: Sequence[str]) -> str:
    single, names = len(speakers) == 1, ", ".join(speakers)
    kind = f"{label.replace('_', ' ')}s"
    who = f"one speaker ({names})" if single else f"{counted(len(speakers), 'speaker')} ({names}), too few to separate"
    voice = "this voice" if single else "these voices"
    measured = voice if label == "positive" else f"false accepts on {voice}"
    return (
        f"All {kind} are from {who}. They are split by recording, so validation and test measure only {measured}. "
        f"To measure other people, add {kind} from other speakers."
    )


def parse_ratios(text: str) -> Ratios:
    """`70/15/15` as shares from 0 to 1. Raises ValueError."""
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or not all(0 <= part <= 100 for part in parts) or abs(sum(parts) - 100) > 1e-6:
        raise ValueError(f"Ratios {text!r:.60} are not three percentages that add up to 100, such as 70/15/15.")
    if not parts[0] or not parts[1]:
        raise ValueError(f"Ratios {text} leave train or val empty. Give both a share, such as 70/15/15.")
    return parts[0] / 100, parts[1] / 100, parts[2] / 100


def share_of(label: str, ratios: Ratios) -> dict[str, float]:
    """The share of a label by split: the ratios, or for long recordings STREAM_RATIOS of the splits that have one."""
    if label != STREAM:
        return dict(zip(SPLITS, ratios, strict=True))
    parts = [share if ratio else 0.0 for share, ratio in zip(STREAM_RATIOS, ratios, strict=True)]
    return {part: share / sum(parts) for part, share in zip(SPLITS, parts, strict=True)}


def keys(clip: Clip, alike: Alike) -> list[str]:
    """The keys that tie a clip to others: its group first, then its audio and its set of near duplicates."""
    near = [f"{NEAR}{alike[clip.path]}"] if clip.path in alike else []
    return [f"group {clip.group}", f"audio {clip.digest}", *near]


def _components(clips: Iterable[Clip], alike: Alike) -> list[list[Clip]]:
    """The connected components of clips that share a key (union-find)."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    ordered = sorted(clips, key=lambda clip: clip.path)
    for clip in ordered:
        first, *others = keys(clip, alike)
        for key in others:
            parent[root(key)] = root(first)
    components = defaultdict(list)
    for clip in ordered:
        components[root(keys(clip, alike)[0])].append(clip)
    return list(components.values())


def _check(clips: Sequence[Clip]) -> None:
    labels = {clip.label for clip in clips}
    if "positive" not in labels:
        raise ValueError(
            "There are no positive clips. Put recordings of the word into data/raw/positive and scan again."
        )
    if not labels & {"negative", "hard_negative"}:
        raise ValueError(
            "There are no negative clips. Put other words and speech into data/raw/negative and scan again."
        )


def _best_split(
    counts: Counter[str], have: dict[str, Counter[str]], targets: dict[str, Counter[str]], totals: Counter[str]
) -> str:
    """The split that a component with these counts by label brings closest to its target.

    The measure is the change of the sum of squared deviations. Each label is relative to its own total, so that 300
    positives weigh as much as 3,000 other clips. All clips together count as one more label, so that small deviations
    of the labels do not add up.
    """
    every, all_clips = counts.total(), totals.total()

    def change(split: str) -> float:
        off = have[split].total() - targets[split].total()
        return every * (every + 2 * off) / all_clips**2 + sum(
            (count**2 + 2 * count * (have[split][label] - targets[split][label])) / totals[label] ** 2
            for label, count in counts.items()
        )

    return min(SPLITS, key=change)


def _reserve(
    part: str, label: str, waiting: list[list[Clip]], have: dict[str, Counter[str]], targets: dict[str, Counter[str]]
) -> list[Clip] | None:
    """Remove and return the component closest to the target of `label` in `part`; None if `part` has the label."""
    fitting = [component for component in waiting if any(clip.label == label for clip in component)]
    if have[part][label] or not fitting:
        return None
    chosen = min(fitting, key=lambda c: abs(sum(clip.label == label for clip in c) - targets[part][label]))
    waiting.remove(chosen)
    return chosen


@dataclass(frozen=True)
class Shared:
    """Clips by split; `left_out` are new clips that belong to groups in two splits."""

    splits: dict[str, list[Clip]]
    left_out: list[Clip]


def _keep(
    clips: Sequence[Clip], assigned: Mapping[str, str], alike: Alike
) -> tuple[dict[str, list[Clip]], list[Clip], list[Clip]]:
    """Assigned clips by split with the new clips tied to them; the other new clips; and the clips left out.

    Raises ValueError when assigned clips leak. Near duplicates in two splits are no leak: a new clip can be similar to
    two clips that are not similar to each other.
    """
    placed: dict[str, list[Clip]] = {part: [] for part in SPLITS}
    owners: dict[str, set[str]] = defaultdict(set)
    new = []
    for clip in clips:
        part = assigned.get(clip.path)
        if part is None:
            new.append(clip)
            continue
        for key in keys(clip, alike):
            owners[key].add(part)
            if len(owners[key]) > 1 and not key.startswith(NEAR):
                raise ValueError(
                    f"{clip.path} has the same speaker or audio as clips of another split. Split from scratch."
                )
        placed[part].append(clip)
    free, left_out = [], []
    for component in _components(new, alike):
        parts = set().union(*(owners.get(key, ()) for clip in component for key in keys(clip, alike)))
        if not parts:
            free += component
        elif len(parts) == 1:
            placed[parts.pop()] += component
        else:
            left_out += component
    return placed, free, left_out


def split(
    clips: Sequence[Clip],
    ratios: Ratios,
    seed: int,
    assigned: Mapping[str, str] | None = None,
    alike: Alike | None = None,
    tested: Iterable[str] = (),
) -> Shared:
    """Clips by split, as close to the ratios in every label as groups allow; deterministic for clips and seed.

    Clips whose path is in `assigned` stay in that split, and new clips of the same speaker, audio or near duplicates
    join them. Then train gets some clips of every label, val of every speech label, test of the labels in `tested`; of
    the sources of long recordings, test gets the first, val the second.
    The rest goes where it is missing most, large components first. Raises ValueError when positives or negatives are
    missing or belong to too few groups for train and val, or when `assigned` leaks.
    """
    _check(clips)
    placed, free, left_out = _keep(sorted(clips, key=lambda clip: clip.path), assigned or {}, alike or {})
    waiting = _components(free, alike or {})
    random.Random(seed).shuffle(waiting)
    waiting.sort(key=len, reverse=True)
    totals = Counter(clip.label for clip in clips)
    shares = dict(zip(SPLITS, ratios, strict=True))
    targets = {
        part: Counter({label: share_of(label, ratios)[part] * totals[label] for label in totals}) for part in SPLITS
    }
    have = {part: Counter(clip.label for clip in placed[part]) for part in SPLITS}

    def place(part: str, component: list[Clip]) -> None:
        placed[part] += component
        have[part].update(clip.label for clip in component)

    needs = [("train", label) for label in LABELS if label != STREAM] + [("val", label) for label in SPEECH]
    needs += [("test", label) for label in tested] if shares["test"] else []
    needs += [(part, STREAM) for part in ("test", "val", "train") if shares[part]]
    for part, label in needs:
        if component := _reserve(part, label, waiting, have, targets):
            place(part, component)
    _check_val(have["val"])
    for component in waiting:
        place(_best_split(Counter(clip.label for clip in component), have, targets, totals), component)
    return Shared({part: sorted(chosen, key=lambda clip: clip.path) for part, chosen in placed.items()}, left_out)


def _check_val(have: Counter[str]) -> None:
    for kind, count in (("positive", have["positive"]), ("negative", have["negative"] + have["hard_negative"])):
        if not count:
            raise ValueError(
                f"All {kind} clips belong to one group, so val would have none: they are one recording, or copies of "
                f"it. Add at least three {kind} recordings, better fifty, and scan again."
            )
