"""Rates per window and per clip: counts at a threshold, ROC and DET.

They show which clips are hard; how a detector performs on continuous audio is measured by `curve`. DET, miss rate
against false positive rate on normal deviate scales: Martin et al., "The DET curve in assessment of detection task
performance", Eurospeech 1997.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from trainer.system.workspace import LABELS


@dataclass(frozen=True)
class Rates:
    """Counts and rates (0 to 1) of decisions at one threshold; a rate over nothing is None, not 0."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def accuracy(self) -> float | None:
        return _ratio(self.true_positives + self.true_negatives, self.windows)

    @property
    def fpr(self) -> float | None:
        """False positive rate: negatives classified as the word."""
        return _ratio(self.false_positives, self.false_positives + self.true_negatives)

    @property
    def fnr(self) -> float | None:
        """False negative rate: words classified as negatives."""
        return _ratio(self.false_negatives, self.false_negatives + self.true_positives)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        return _ratio(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)

    @property
    def windows(self) -> int:
        return self.true_positives + self.false_positives + self.true_negatives + self.false_negatives


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def rates(is_positive: NDArray[np.bool_], probability: NDArray[np.floating], threshold: float = 0.5) -> Rates:
    """Rates of classifying `probability >= threshold` as the word; both arrays have the shape [windows]."""
    accepted = probability >= threshold
    return Rates(
        true_positives=int(np.sum(accepted & is_positive)),
        false_positives=int(np.sum(accepted & ~is_positive)),
        true_negatives=int(np.sum(~accepted & ~is_positive)),
        false_negatives=int(np.sum(~accepted & is_positive)),
    )


WORD = "positive"
MOST_POINTS = 500
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LabelCounts:
    """`accepted` of the `clips` of a label are classified as the word; `correct` of them correctly."""

    label: str
    clips: int
    accepted: int

    @property
    def correct(self) -> int:
        return self.accepted if self.label == WORD else self.clips - self.accepted


@dataclass(frozen=True)
class Points:
    """False positive and false negative rates [n] at every falling threshold that changes them; the first point
    accepts nothing, the last one everything."""

    threshold: Floats
    fpr: Floats
    fnr: Floats

    @property
    def area(self) -> float:
        """Area under the ROC: how often a word scores higher than another clip, ties counting half."""
        return float(np.trapezoid(1 - self.fnr, self.fpr))

    @property
    def equal_error_rate(self) -> float:
        """The rate at which both are equal, interpolated linearly."""
        above = int(np.argmax(self.fpr >= self.fnr))
        if above == 0:
            return float(self.fpr[0])
        gap = (self.fnr - self.fpr)[above - 1 : above + 1]
        share = gap[0] / (gap[0] - gap[1])
        return float(self.fpr[above - 1] + share * (self.fpr[above] - self.fpr[above - 1]))


def _is_word(labels: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([label == WORD for label in labels], dtype=bool)


def rates_by_label(labels: Sequence[str], score: Floats, threshold: float) -> Rates:
    """Counts and rates of scores [clips] at a threshold."""
    return rates(_is_word(labels), score, threshold)


def by_label(labels: Sequence[str], score: Floats, threshold: float) -> list[LabelCounts]:
    """Counts by label, for labels with clips."""
    names = np.array(labels, dtype=np.str_)
    groups = [(label, score[names == label]) for label in LABELS]
    return [LabelCounts(label, len(group), int((group >= threshold).sum())) for label, group in groups if len(group)]


def points(labels: Sequence[str], score: Floats) -> Points | None:
    """The points of ROC and DET; None without words or without other clips."""
    word = _is_word(labels)
    if word.all() or not word.any():
        return None
    order = np.argsort(-score, kind="stable")
    falling, hits = score[order], np.cumsum(word[order])
    last = np.flatnonzero(np.diff(falling, append=-np.inf))  # of clips with equal scores
    accepted = np.append(0, hits[last])
    wrong = np.append(0, last + 1 - hits[last])
    threshold = np.append(np.nextafter(falling[0], np.inf), falling[last])
    return Points(threshold, wrong / (~word).sum(), 1 - accepted / word.sum())


def thinned(points: Points) -> Points:
    """At most MOST_POINTS points, evenly along the curve, for a chart."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points.fpr)) + np.abs(np.diff(points.fnr)))])
    chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MOST_POINTS)))
    return Points(points.threshold[chosen], points.fpr[chosen], points.fnr[chosen])


def probit(rate: Floats, clips: int) -> Floats:
    """Rates over a number of clips as normal deviates, for a DET chart; 0 and 1 are moved by half a clip."""
    half = 0.5 / clips
    return np.array([NormalDist().inv_cdf(min(1 - half, max(half, each))) for each in rate.tolist()])
