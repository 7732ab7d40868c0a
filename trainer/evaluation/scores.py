"""Figures of merit from labels and scores, with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
