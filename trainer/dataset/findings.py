"""Findings about a data set: problems of clips, their effect on training, and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Severity = Literal["error", "warning", "info"]
Remedy = Literal["", "quarantine", "trim", "convert", "channel", "generate", "speakers"]

SPEECH = ("positive", "negative", "hard_negative")
SILENT_DB, QUIET_DB = -50.0, -45.0
CLIPPED_SHARE = 0.005
OFFSET = 0.02
SHORTEST_WORD_SECONDS, SHORTEST_SECONDS = 0.2, 0.1
LONGEST_WORD_SECONDS = 4.0
SILENCE_SECONDS = 1.0
FEW_POSITIVES = 50
LOWEST_RATE = 16000
MUCH_BY_ONE = 0.5
REFUSED = "refused"
"""The code that stands for all refused files."""
WRONG_LABELS = "wrong_labels"
PASSING = ("vanished", "changing", "not_answering")
"""Reasons that do not lie in the file itself, which the next scan reads again."""
GENERATED = {"no_background": ("background", 100), "no_rirs": ("rirs", 50)}
"""Label and number of the clips that the remedy `generate` makes."""


@dataclass(frozen=True)
class Finding:
    """A problem of the clips `paths` (below data/raw) and its `effect` on training, in one or two sentences.

    `remedy` applies to `surplus` if there is any, else to `paths`.
    """

    code: str
    severity: Severity
    title: str
    effect: str
    paths: tuple[str, ...] = ()
    remedy: Remedy = ""
    surplus: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Check:
    """A rule for single clips: `rows` selects those with the problem."""

    code: str
    severity: Severity
    title: str
    effect: str
    remedy: Remedy
    rows: Callable[[pd.DataFrame], pd.Series]


def _speech(clips: pd.DataFrame) -> pd.Series:
    return clips["label"].isin(SPEECH)


def _word_seconds(clips: pd.DataFrame) -> pd.Series:
    return clips["seconds"] - clips["lead_seconds"] - clips["tail_seconds"]


_CHECKS = (
    _Check(
        "silent",
        "error",
        "Silent clips",
        "They contain no audible sound. A silent positive trains the detector to fire on silence.",
        "quarantine",
        lambda clips: _speech(clips) & (clips["peak_db"] < SILENT_DB),
    ),
    _Check(
        "too_short",
        "error",
        "Positives too short for a word",
        f"Less than {SHORTEST_WORD_SECONDS} s of sound is too short for a word and trains the detector "
        "to fire on clicks.",
        "quarantine",
        lambda clips: (
            (clips["label"] == "positive")
            & (clips["peak_db"] >= SILENT_DB)
            & (_word_seconds(clips) < SHORTEST_WORD_SECONDS)
        ),
    ),
    _Check(
        "too_long",
        "warning",
        "Positives too long for a word",
        f"Over {LONGEST_WORD_SECONDS:g} s of sound is more than the word, and training uses the end of the sound as "
        "the end of the word.",
        "quarantine",
        lambda clips: (clips["label"] == "positive") & (_word_seconds(clips) > LONGEST_WORD_SECONDS),
    ),
    _Check(
        "much_silence",
        "info",
        "Long silence around the word",
        f"Over {SILENCE_SECONDS:g} s of silence. It only costs memory; trimming keeps 0.3 s on either side.",
        "trim",
        lambda clips: (
            (clips["label"] == "positive")
            & (clips["peak_db"] >= SILENT_DB)
            & (clips[["lead_seconds", "tail_seconds"]].max(axis=1) > SILENCE_SECONDS)
        ),
    ),
    _Check(
        "clipped",
        "warning",
        "Clipped clips",
        f"Over {100 * CLIPPED_SHARE:g} % of their samples are at full scale: the recording was too loud. A few do "
        "no harm; many train the detector on the distortion instead of the word.",
        "quarantine",
        lambda clips: (clips["label"] != "rirs") & (clips["clipped"] > CLIPPED_SHARE),
    ),
    _Check(
        "quiet",
        "info",
        "Very quiet clips",
        "Normalizing their level raises their noise too. Record closer to the microphone if possible.",
        "quarantine",
        lambda clips: _speech(clips) & (clips["peak_db"] >= SILENT_DB) & (clips["level_db"] < QUIET_DB),
    ),
    _Check(
        "offset",
        "warning",
        "Clips with a constant offset (DC)",
        "The recording device adds a constant, which distorts the energy and level. Converting removes it.",
        "convert",
        lambda clips: (clips["label"] != "rirs") & (clips["offset"].abs() > OFFSET),
    ),
    _Check(
        "length",
        "info",
        "Clips with a wrong length in their header",
        "Their header gives a wrong length or none, as recorders and pipes leave it. They are read to the end "
        "of the file. Other programs may refuse them; converting writes the right length.",
        "convert",
        lambda clips: clips["length_wrong"] > 0,
    ),
    _Check(
        "cancel",
        "warning",
        "Clips whose channels cancel each other",
        "Mixed to one channel, the sound would partly cancel out: a channel is inverted, or receives the voice "
        "later than another. Only the better channel is used. “Use best channel” writes it as a mono file.",
        "channel",
        lambda clips: clips["channel_fault"] == "cancel",
    ),
    _Check(
        "dead",
        "info",
        "Clips with a silent channel",
        "The other channels are used. “Use best channel” writes the best of them as a mono file.",
        "channel",
        lambda clips: clips["channel_fault"] == "dead",
    ),
    _Check(
        "uneven",
        "warning",
        "Clips with a much noisier or clipped channel",
        "All channels are mixed, including the bad one. Compare them under Listen; “Use best channel” "
        "keeps only the best.",
        "channel",
        lambda clips: (clips["label"] != "rirs") & (clips["channel_fault"] == "uneven"),
    ),
    _Check(
        "low_rate",
        "warning",
        "Clips below 16 kHz",
        "They contain nothing above half their sample rate. If one label has more of them than another, "
        "the detector may learn the sample rate instead of the word. The missing frequencies cannot be restored.",
        "quarantine",
        lambda clips: (clips["label"] != "rirs") & (clips["sample_rate"] < LOWEST_RATE),
    ),
)


def _contradicts(clips: pd.DataFrame, by: str) -> pd.Series:
    """Which clips share `by` with a clip whose label contradicts theirs: one is the word, the other is not."""
    return clips.assign(word=clips["label"] == "positive").groupby(by)["word"].transform("nunique") > 1


def _copies(clips: pd.DataFrame) -> Iterator[Finding]:
    """Findings about identical audio, with contradicting labels or not."""
    contradicting = _contradicts(clips, "digest")
    if contradicting.any():
        yield Finding(
            "two_labels",
            "error",
            "The same audio as positive and as something else",
            "The same sound is labelled as the word and as something else. Listen, and delete the wrong one; "
            "Quarantine removes all of them.",
            tuple(clips.loc[contradicting, "path"]),
            "quarantine",
        )
    copies = clips[~contradicting & clips.duplicated("digest")]
    if len(copies):
        yield Finding(
            "duplicates",
            "warning",
            "Exact duplicates",
            "The same audio under several names; all copies stay in one split. They count several times in training. "
            "Quarantine keeps the first of each.",
            tuple(copies["path"]),
            "quarantine",
        )


def _near_copies(clips: pd.DataFrame) -> Iterator[Finding]:
    """Findings about near duplicates, with contradicting labels or not."""
    sets = clips[(clips["near"] >= 0) & ~clips.duplicated("digest")]
    sets = sets[sets.groupby("near")["path"].transform("size") > 1]
    contradicting = _contradicts(sets, "near")
    if contradicting.any():
        yield Finding(
            "near_labels",
            "warning",
            "Nearly the same audio as positive and as something else",
            "Re-encoded, trimmed or amplified copies with contradicting labels. Listen, and delete the wrong one; "
            "Quarantine removes all of them.",
            tuple(sets.loc[contradicting, "path"]),
            "quarantine",
        )
    copies = sets[~contradicting]
    if len(copies):
        yield Finding(
            "near_duplicates",
            "info",
            "Near duplicates",
            "Clips that differ only in level, length or encoding. Where the speaker is unknown they stay "
            "in one split; there is less variety than their number suggests. Quarantine keeps the first of each.",
            tuple(copies["path"]),
            "quarantine",
            tuple(copies.loc[copies.duplicated("near"), "path"]),
        )


def _of_whole_set(clips: pd.DataFrame) -> Iterator[Finding]:
    """Findings about the data set as a whole."""
    positives = clips[clips["label"] == "positive"]
    if 0 < len(positives) < FEW_POSITIVES:
        yield Finding(
            "few_positives",
            "warning",
            f"Only {len(positives)} positives",
            f"Under {FEW_POSITIVES} positives, every figure rests on a handful of clips. Record more, "
            "from more people.",
        )
    known = positives.loc[positives["speaker"] != "", "speaker"].value_counts()
    if len(known) and known.iloc[0] > MUCH_BY_ONE * len(positives) and len(positives) >= FEW_POSITIVES:
        yield Finding(
            "one_speaker",
            "warning",
            "Most positives are from one speaker",
            f"{known.iloc[0]:,} of {len(positives):,} are from {known.index[0]}: the detector will work best for that "
            "voice.",
        )
    for label, text in (("background", "noise"), ("rirs", "rooms")):
        if len(clips) and not (clips["label"] == label).any():
            yield Finding(
                f"no_{label}",
                "info",
                f"No {label} clips",
                f"The detector will be trained without {text}. Import recordings, or generate "
                f"{GENERATED[f'no_{label}'][1]} synthetic ones.",
                (),
                "generate",
            )


def find(clips: pd.DataFrame) -> list[Finding]:
    """All findings about these clips (see clips.ScannedClips), most severe first."""
    of_clips = [
        Finding(check.code, check.severity, check.title, check.effect, tuple(clips.loc[rows, "path"]), check.remedy)
        for check in _CHECKS
        if (rows := check.rows(clips)).any()
    ]
    return by_severity([*of_clips, *_copies(clips), *_near_copies(clips), *_of_whole_set(clips)])


def by_severity(every: Iterable[Finding]) -> list[Finding]:
    """The findings, most severe first."""
    order: list[Severity] = ["error", "warning", "info"]
    return sorted(every, key=lambda finding: order.index(finding.severity))
