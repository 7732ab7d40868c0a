"""Rates per window and per clip: counts at a threshold, ROC and DET.

What share of clips is told wrongly is no measure of a detector that listens all day: that is `curve`. It shows which
kind of clip is hard. DET, miss rate against false positive rate on the scale of the normal distribution, is after
Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997.
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
        """False positive rate: negatives that were taken for the word."""
        return _ratio(self.false_positives, self.false_positives + self.true_negatives)

    @property
    def fnr(self) -> float | None:
        """False negative rate: words that were missed."""
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
    """Rates of calling `probability >= threshold` the word; both arrays have the shape [windows]."""
    fired = probability >= threshold
    return Rates(
        true_positives=int(np.sum(fired & is_positive)),
        false_positives=int(np.sum(fired & ~is_positive)),
        true_negatives=int(np.sum(~fired & ~is_positive)),
        false_negatives=int(np.sum(~fired & is_positive)),
    )


WORD = "positive"
MOST_POINTS = 500
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OfLabel:
    """So many clips of a label were called the word; `right` is whether they are."""

    label: str
    clips: int
    called: int

    @property
    def right(self) -> int:
        return self.called if self.label == WORD else self.clips - self.called


@dataclass(frozen=True)
class Points:
    """Rates at every threshold that changes them, falling: of other clips that are called the word (`fpr`), of words
    that are not (`fnr`); arrays [n]. The first point calls nothing the word, the last one everything."""

    threshold: Floats
    fpr: Floats
    fnr: Floats

    @property
    def area(self) -> float:
        """Below the ROC: how often a word scores higher than another clip, ties counting half."""
        return float(np.trapezoid(1 - self.fnr, self.fpr))

    @property
    def equal_error_rate(self) -> float:
        """Where both rates are the same, on the line between the two points around it."""
        above = int(np.argmax(self.fpr >= self.fnr))
        if above == 0:
            return float(self.fpr[0])
        gap = (self.fnr - self.fpr)[above - 1 : above + 1]
        share = gap[0] / (gap[0] - gap[1])
        return float(self.fpr[above - 1] + share * (self.fpr[above] - self.fpr[above - 1]))


def _is_word(labels: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([label == WORD for label in labels], dtype=bool)


def rates_by_label(labels: Sequence[str], score: Floats, threshold: float) -> Rates:
    """The four counts at a threshold, and what follows from them."""
    return rates(_is_word(labels), score, threshold)


def by_label(labels: Sequence[str], score: Floats, threshold: float) -> list[OfLabel]:
    """What is called the word, by label; labels without a clip are left out."""
    names = np.array(labels, dtype=np.str_)
    groups = [(label, score[names == label]) for label in LABELS]
    return [OfLabel(label, len(group), int((group >= threshold).sum())) for label, group in groups if len(group)]


def points(labels: Sequence[str], score: Floats) -> Points | None:
    """The points of ROC and DET; None without words or without other clips."""
    word = _is_word(labels)
    if word.all() or not word.any():
        return None
    order = np.argsort(-score, kind="stable")
    falling, hits = score[order], np.cumsum(word[order])
    last = np.flatnonzero(np.diff(falling, append=-np.inf))  # of clips with one score
    called = np.append(0, hits[last])
    wrongly = np.append(0, last + 1 - hits[last])
    threshold = np.append(np.nextafter(falling[0], np.inf), falling[last])
    return Points(threshold, wrongly / (~word).sum(), 1 - called / word.sum())


def thinned(points: Points) -> Points:
    """At most so many points, for a chart: the corners of the curve, evenly along it."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points.fpr)) + np.abs(np.diff(points.fnr)))])
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MOST_POINTS)))
    return Points(points.threshold[kept], points.fpr[kept], points.fnr[kept])


def probit(rate: Floats, clips: int) -> Floats:
    """Rates over so many clips on the scale of a DET chart; none and all lie half a clip from the end of it."""
    half = 0.5 / clips
    return np.array([NormalDist().inv_cdf(min(1 - half, max(half, each))) for each in rate.tolist()])
