"""Labels whose clips are of too few speakers to keep each in one split: they are split by recording, and it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from trainer.system.counted import counted

TO_TRAIN = "hard_negative/false_accepts"
"""What lies here was sent from an evaluation to be trained with; in val or test it would teach nothing."""
Voices = Mapping[str, Sequence[str]]
"""Speakers by label."""
_TOGETHER = (("positive",), ("negative", "hard_negative"))
"""Labels of which each split needs clips of one at least."""


def of_few(clips: pd.DataFrame, splits: int) -> dict[str, list[str]]:
    """The speakers of the labels that have fewer of them than there are splits to fill, by label."""
    found = dict[str, list[str]]()
    usable = clips[~clips["path"].str.startswith(f"{TO_TRAIN}/")]
    for labels in _TOGETHER:
        rows = usable[usable["label"].isin(labels)]
        if rows["group"].nunique() < splits and (rows["speaker"] != "").any():
            by_label = rows[rows["speaker"] != ""].groupby("label")["speaker"]
            found |= {str(label): sorted(set(speakers)) for label, speakers in by_label}
    return found


def by_recording(clips: pd.DataFrame, voices: Voices) -> pd.DataFrame:
    """Clips (dataset.clips.Found.clips) of which each recording of these voices is a group of its own."""
    alone = pd.Series(False, index=clips.index)
    for label, speakers in voices.items():
        alone |= (clips["label"] == label) & clips["speaker"].isin(speakers)
    return clips.assign(group=clips["group"].mask(alone, clips["path"]), speaker=clips["speaker"].mask(alone, ""))


def sentences(voices: Voices) -> list[str]:
    """What a split by recording measures, for each label that was split so."""
    return [_sentence(label, speakers) for label, speakers in voices.items()]


def _sentence(label: str, speakers: Sequence[str]) -> str:
    one, names = len(speakers) == 1, ", ".join(speakers)
    kind = f"{label.replace('_', ' ')}s"
    who = f"one speaker ({names})" if one else f"{counted(len(speakers), 'speaker')} ({names}), too few to keep apart"
    voice = "this voice" if one else "these voices"
    measured = voice if label == "positive" else f"false accepts on {voice}"
    return (
        f"All {kind} are of {who}. They are split by recording, so validation and test measure {measured} alone. "
        f"For other people, get {kind} by other speakers."
    )
