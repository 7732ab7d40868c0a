"""Windows whose features were computed before and lie in a memory-mapped array, and the epochs made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config.schema import Config
from trainer.engine.data.clips import ClipArray
from trainer.engine.data.windows import OTHER_WORDS, Windows, epoch_counts


@dataclass(frozen=True)
class KeptWindows(Windows):
    """Windows of which each knows its features: `row` int64 [n] of `features` float16 [all, numbers, steps]."""

    row: NDArray[np.int64]
    features: NDArray[np.float16]

    def take(self, chosen: NDArray[np.int64] | slice) -> KeptWindows:
        part = super().take(chosen)
        return KeptWindows(part.clip, part.start, part.positive, self.row[chosen], self.features)

    def read(self, device: torch.device) -> Tensor:
        """Features float32 [n, numbers, steps] on the device."""
        return torch.from_numpy(self.features[self.row]).to(device).float()


@dataclass(frozen=True)
class Kept:
    """All that a training hears: `rounds` of augmented training windows, `candidates` for mining and `validation`
    windows as they are."""

    rounds: tuple[KeptWindows, ...]
    candidates: KeptWindows
    validation: KeptWindows


def join(first: KeptWindows, second: KeptWindows) -> KeptWindows:
    """Both lists, which must be of one array of features."""
    pairs = ((getattr(first, name), getattr(second, name)) for name in ("clip", "start", "positive", "row"))
    clip, start, positive, row = (np.concatenate(pair) for pair in pairs)
    return KeptWindows(clip, start, positive, row, first.features)


def of_pool(pool: Windows, candidates: KeptWindows) -> KeptWindows:
    """The windows of a pool with their features; a pool that comes from a checkpoint knows only clips and starts."""
    rows = {
        place: row for row, place in enumerate(zip(candidates.clip.tolist(), candidates.start.tolist(), strict=True))
    }
    return candidates.take(
        np.array([rows[place] for place in zip(pool.clip.tolist(), pool.start.tolist(), strict=True)])
    )


def epoch_of(kept: Kept, array: ClipArray, config: Config, epoch: int, pool: Windows | None) -> KeptWindows:
    """The windows of one epoch in the order in which they are heard: the rounds in turn, each time in another order.

    With a pool, its windows take the place of as many other negatives.
    """
    rng = np.random.default_rng([config.training.seed, epoch, 2])
    heard = kept.rounds[(epoch - 1) % len(kept.rounds)]
    if pool:
        other = np.flatnonzero(np.isin(heard.clip, array.labelled(*OTHER_WORDS)))
        count = min(epoch_counts(array, config).mined, len(other))
        mined = of_pool(pool, kept.candidates).take(np.resize(rng.permutation(len(pool)), count))
        heard = join(heard.take(np.delete(np.arange(len(heard)), rng.choice(other, count, replace=False))), mined)
    return heard.take(rng.permutation(len(heard)))
