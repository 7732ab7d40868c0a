"""Hard-negative mining: scores windows without the word and collects those that the model finds hardest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config.schema import Config
from trainer.engine.data.batches import Feed
from trainer.engine.data.clips import ClipArray
from trainer.engine.data.windows import MINED_LABELS, Windows, epoch_counts, window_samples
from trainer.engine.training.validation import score

POOL_FACTOR = 4
"""The pool holds this many times the windows that an epoch draws from it, so that epochs differ."""
HARDEST_SHARE = 0.1
"""The pool holds at most this share of all scored windows; the others are not hard."""
MOST_WINDOWS = 20_000
NAMED_CLIPS = 3


@dataclass(frozen=True)
class MiningResult:
    """The pool (hardest first), how many windows were scored, how many of them are above 0.5, and the clips with the
    highest scores."""

    pool: Windows
    scored: int
    above_half: int
    hardest_clips: tuple[tuple[str, float], ...]


def due(config: Config, epoch: int) -> bool:
    """Whether to mine before this epoch (1, 2, ...): a model that is not trained yet cannot tell what is hard."""
    learned = epoch > 1 or bool(config.training.start_from)
    return config.data.mined_share > 0 and learned and (epoch - 1) % config.data.mining_epochs == 0


def count_minings(config: Config, after: int = 0) -> int:
    """How often a training mines before the epochs above `after`."""
    if not config.data.mined_share:
        return 0
    every, first = config.data.mining_epochs, 0 if config.training.start_from else 1
    return max(0, (config.training.epochs - 1) // every + 1 - max(first, -(-after // every)))


def candidates(array: ClipArray, config: Config) -> Windows:
    """Windows over every negative, hard negative and background clip, ending at every half window: a function of the
    array alone, so that the scores of two minings differ by the model only."""
    size = window_samples(config)
    half = size // 2
    clips = array.labelled(*MINED_LABELS)
    count = -(-array.lengths[clips] // half)  # the last one reaches the end of the clip
    clip = np.repeat(clips, count)
    number = np.arange(len(clip)) - np.repeat(np.cumsum(count) - count, count)
    return Windows(clip, (number + 1) * half - size, np.zeros(len(clip), bool))


def feed_candidates(feed: Feed) -> Windows:
    """The candidates of a feed, with precomputed features where there are any."""
    return feed.precomputed.candidates if feed.precomputed else candidates(feed.array, feed.config)


def select_hardest(array: ClipArray, windows: Windows, probability: NDArray[np.float32], drawn: int) -> MiningResult:
    """The pool from candidates and their probabilities [n], for epochs that draw `drawn` windows from it.

    Equal probabilities keep the order of the clips, so that the pool is a function of its input.
    """
    count = max(1, min(POOL_FACTOR * drawn, round(HARDEST_SHARE * len(windows)), MOST_WINDOWS))
    order = np.argsort(-probability, kind="stable")
    clips, first = np.unique(windows.clip[order], return_index=True)
    lead = clips[np.argsort(first)][:NAMED_CLIPS]
    named = tuple((array.clips[i].path, float(probability[windows.clip == i].max())) for i in lead)
    return MiningResult(windows.take(order[:count]), len(windows), int((probability > 0.5).sum()), named)


def mine(model: nn.Module, feed: Feed, report: Callable[[int, int], None]) -> MiningResult:
    """Find the hardest negatives of the training split; `report(done, total)` is called after every batch."""
    windows = feed_candidates(feed)
    probability = score(model, feed, windows, report, probability=True).numpy()
    return select_hardest(feed.array, windows, probability, epoch_counts(feed.array, feed.config).mined)


def describe(result: MiningResult, epoch: int, seconds: float) -> str:
    """The log line of one mining."""
    clips = ", ".join(f"{path} ({100 * probability:.1f} %)" for path, probability in result.hardest_clips)
    return (
        f"Mining before epoch {epoch}: {result.scored:,} negative windows scored in {seconds:.1f} s, "
        f"{result.above_half:,} above 0.5; the hardest {len(result.pool):,} are drawn more often, first {clips}."
    )


def pool_tensors(pool: Windows | None) -> dict[str, Tensor] | None:
    """Clip and start of the pool, int64 [n], for a checkpoint; None without a pool."""
    if pool is None:
        return None
    return {"clip": torch.from_numpy(pool.clip), "start": torch.from_numpy(pool.start)}


def pool_from(saved: dict[str, Tensor] | None) -> Windows | None:
    """The inverse of `pool_tensors`."""
    if saved is None:
        return None
    clip, start = saved["clip"].numpy(), saved["start"].numpy()
    return Windows(clip, start, np.zeros(len(clip), bool))
