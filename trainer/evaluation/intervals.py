"""95 % confidence intervals of rates by the bootstrap over speakers, or over clips where speakers are unknown.

Words of one speaker, and one clip in several conditions, are not independent, so their sources are resampled (cluster
bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13; Bisani and Ney, "Bootstrap
estimates for confidence intervals in ASR performance evaluation", ICASSP 2004, by speaker).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DRAWS, SEED = 2000, 7
PERCENTILES = (2.5, 97.5)
FEWEST_SOURCES = 5
"""With fewer speakers or clips no interval is given."""
TOO_FEW = f"with fewer than {FEWEST_SOURCES} speakers or clips"
RULE_OF_THREE = 3.0
"""No event in n trials: with 95 % confidence the rate is below 3/n (Hanley and Lippman-Hand, "If nothing goes wrong, is
everything all right?", JAMA 1983; Jovanovic and Levy, "A look at the rule of three", American Statistician 1997)."""


def numbered(sources: Sequence[str]) -> NDArray[np.int64]:
    """The source of each word [w] as a number from 0."""
    return np.unique(np.array(sources, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def drawn(count: int, stream: int = 0) -> NDArray[np.float32]:
    """How often each of `count` sources is in each draw [DRAWS, count]; deterministic for each `stream`."""
    picks = np.random.default_rng([SEED, stream, count]).integers(count, size=(DRAWS, count))
    flat = np.bincount((picks + count * np.arange(DRAWS)[:, None]).ravel(), minlength=DRAWS * count)
    return flat.reshape(DRAWS, count).astype(np.float32)


def drawn_rates(wrong: NDArray[np.bool_], source: NDArray[np.int64]) -> NDArray[np.float64]:
    """The rate of `wrong` [w, p] in each draw [DRAWS, p]; `source` [w] as from `numbered`."""
    count = count_of(source)
    sums, sizes = np.zeros((count, wrong.shape[1]), np.float32), np.bincount(source, minlength=count)
    np.add.at(sums, source, wrong.astype(np.float32))
    weights = drawn(count)
    return np.asarray((weights @ sums).astype(np.float64) / (weights @ sizes.astype(np.float32))[:, None])


def count_of(source: NDArray[np.int64]) -> int:
    """Number of sources among these numbers."""
    return int(source.max(initial=-1)) + 1


def percentiles(count: int) -> tuple[float, float]:
    """Percentiles of the draws from `count` sources that bound a rate with 95 % confidence.

    Draws from few sources vary less than new speakers would, so the interval is expanded (Hesterberg, "What Teachers
    Should Know About the Bootstrap", American Statistician 2015).
    """
    from scipy import special  # a tenth of a second, not needed to read an evaluation

    deviations = special.stdtrit(count - 1, PERCENTILES[1] / 100) * math.sqrt(count / (count - 1))
    least = 100 * float(special.ndtr(-deviations))
    return least, 100 - least


def bounds(wrong: NDArray[np.bool_], source: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Low and high bound [2, p] of the rate of `wrong` [w, p]; None for too few sources.

    Where none or all are wrong, all draws are equal, and the rule of three over the sources bounds the rate.
    """
    if (count := count_of(source)) < FEWEST_SOURCES:
        return None
    low, high = np.percentile(drawn_rates(wrong, source), percentiles(count), axis=0)
    margin = RULE_OF_THREE / count
    return np.stack([np.where(wrong.all(axis=0), 1 - margin, low), np.where(wrong.any(axis=0), high, margin)])


def interval(wrong: NDArray[np.bool_], sources: Sequence[str]) -> tuple[float, float] | tuple[None, None]:
    """Low and high bound of the rate of `wrong` [w]."""
    bound = bounds(wrong[:, None], numbered(sources))
    return (None, None) if bound is None else (float(bound[0, 0]), float(bound[1, 0]))


PROMISE = 0.9
"""Confidence of what a user is promised: that there are not more false accepts per hour than this."""


def most_expected(count: int | NDArray[np.int64], confidence: float = PROMISE) -> NDArray[np.float64]:
    """With this confidence not more are to be expected where so many were counted (Garwood, as below).

    The same holds for the threshold right above the next peak, chosen on these very recordings: until the n-th event
    of a Poisson process, what was to be expected is gamma distributed with shape n.
    """
    from scipy import special  # as above

    return np.asarray(special.gammaincinv(np.asarray(count) + 1, confidence))


def least_expected(count: int, confidence: float = PROMISE) -> float:
    """With this confidence not fewer are to be expected where so many were counted (Garwood, as below)."""
    from scipy import special  # as above

    return float(special.gammaincinv(count, 1 - confidence)) if count else 0.0


def allowed(per_hour: float, hours: float) -> int | None:
    """The most false accepts in `hours` with which, with this confidence, not more than `per_hour` are to be expected;
    None when even without one the hours are too few."""
    count = -1
    while most_expected(count + 1) <= per_hour * hours:
        count += 1
    return None if count < 0 else count


def of_count(count: int) -> tuple[float, float]:
    """Bounds of the expected number of events when `count` were observed, exact for independent events (Garwood,
    "Fiducial limits for the Poisson distribution", Biometrika 1936); for none the rule of three."""
    from scipy import special  # as above

    if not count:
        return 0.0, RULE_OF_THREE
    least, most = (each / 100 for each in PERCENTILES)
    return float(special.gammaincinv(count, least)), float(special.gammaincinv(count + 1, most))
