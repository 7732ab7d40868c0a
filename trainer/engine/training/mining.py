"""Hard-negative mining: the model scores what must not wake it, and what it finds hardest is heard more often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config.schema import Config
from trainer.engine.data.batches import Feed, plain_batches
from trainer.engine.data.clips import ClipArray
from trainer.engine.data.windows import MINED_LABELS, Windows, epoch_counts, window_samples

BATCH = 256
POOL_TIMES = 4
"""The pool holds this many times the windows that an epoch draws from it, so that no epoch hears them all."""
HARDEST_SHARE = 0.1
"""But never more than this share of all that was scored: what lies below is no longer hard."""
MOST = 20_000
LEADERS = 3


@dataclass(frozen=True)
class Mined:
    """What one look found: the pool, hardest first, how many windows were scored, how many of them above 0.5, and
    the clips that lead with their highest score."""

    pool: Windows
    scored: int
    over: int
    leaders: tuple[tuple[str, float], ...]


def due(config: Config, epoch: int) -> bool:
    """Whether to mine before this epoch (1, 2, ...): a model that has learned nothing yet cannot tell what is hard."""
    learned = epoch > 1 or bool(config.training.start_from)
    return config.data.mined_share > 0 and learned and (epoch - 1) % config.data.mining_epochs == 0


def count_minings(config: Config, after: int = 0) -> int:
    """How often a whole training mines, or still will before the epochs above `after`."""
    if not config.data.mined_share:
        return 0
    every, first = config.data.mining_epochs, 0 if config.training.start_from else 1
    return max(0, (config.training.epochs - 1) // every + 1 - max(first, -(-after // every)))


def candidates(array: ClipArray, config: Config) -> Windows:
    """Windows over every negative, hard negative and background clip, ending at every half window: a function of the
    array alone, so that two looks score the same and differ by the model only."""
    size = window_samples(config)
    half = size // 2
    clips = array.labelled(*MINED_LABELS)
    count = -(-array.lengths[clips] // half)  # the last one reaches the clip's end
    clip = np.repeat(clips, count)
    number = np.arange(len(clip)) - np.repeat(np.cumsum(count) - count, count)
    return Windows(clip, (number + 1) * half - size, np.zeros(len(clip), bool))


def candidates_of(feed: Feed) -> Windows:
    """The candidates of a training, those with kept features where there are any."""
    return feed.kept.candidates if feed.kept else candidates(feed.array, feed.config)


@torch.inference_mode()
def score(model: nn.Module, feed: Feed, windows: Windows, heard: Callable[[int], None]) -> NDArray[np.float32]:
    """Probability [n] of the word in each window, as the clips are, without augmentation.

    `heard` is told after every batch how many are done.
    """
    model.eval()
    scores: list[Tensor] = []
    for features in plain_batches(feed, windows, BATCH):
        scores.append(model(features).float().sigmoid().cpu())
        heard(min(len(windows), len(scores) * BATCH))
    return torch.cat(scores).numpy() if scores else np.empty(0, np.float32)


def hardest(array: ClipArray, windows: Windows, probability: NDArray[np.float32], drawn: int) -> Mined:
    """The pool from candidates and their probabilities [n], for epochs that draw `drawn` windows from it.

    Equal probabilities keep the order of the clips, so that the pool is a function of its input.
    """
    keep = max(1, min(POOL_TIMES * drawn, round(HARDEST_SHARE * len(windows)), MOST))
    order = np.argsort(-probability, kind="stable")
    clips, first = np.unique(windows.clip[order], return_index=True)
    lead = clips[np.argsort(first)][:LEADERS]
    leaders = tuple((array.clips[i].path, float(probability[windows.clip == i].max())) for i in lead)
    return Mined(windows.take(order[:keep]), len(windows), int((probability > 0.5).sum()), leaders)


def mine(model: nn.Module, feed: Feed, heard: Callable[[int, int], None]) -> Mined:
    """Look for the hardest negatives of the training split; `heard` is told (done, of all) after every batch."""
    windows = candidates_of(feed)
    probability = score(model, feed, windows, lambda done: heard(done, len(windows)))
    return hardest(feed.array, windows, probability, epoch_counts(feed.array, feed.config).mined)


def describe(mined: Mined, epoch: int, seconds: float) -> str:
    """What one look found, as a line of the log."""
    lead = ", ".join(f"{path} ({100 * probability:.1f} %)" for path, probability in mined.leaders)
    return (
        f"Mining before epoch {epoch}: {mined.scored:,} negative windows scored in {seconds:.1f} s, "
        f"{mined.over:,} above 0.5; the hardest {len(mined.pool):,} are drawn more often, first {lead}."
    )


def pool_tensors(pool: Windows | None) -> dict[str, Tensor] | None:
    """The pool as a checkpoint keeps it: clip and start, int64 [n]; None when there is none yet."""
    if pool is None:
        return None
    return {"clip": torch.from_numpy(pool.clip), "start": torch.from_numpy(pool.start)}


def pool_from(saved: dict[str, Tensor] | None) -> Windows | None:
    """The pool that a checkpoint kept."""
    if saved is None:
        return None
    clip, start = saved["clip"].numpy(), saved["start"].numpy()
    return Windows(clip, start, np.zeros(len(clip), bool))
