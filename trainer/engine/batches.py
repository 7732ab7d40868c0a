"""From a list of windows to features on the training device, with or without augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor, nn

from trainer.config import Config
from trainer.engine import augmentation, rooms
from trainer.engine.clips import FULL_SCALE, ClipArray
from trainer.engine.features import front_end
from trainer.engine.kept import Kept, KeptWindows, epoch_of
from trainer.engine.windows import Windows, draw_background, epoch_windows, gather, window_samples


@dataclass(frozen=True)
class Feed:
    """All that turns windows of one split into batches on one device."""

    array: ClipArray
    config: Config
    device: torch.device
    front_end: nn.Module
    rirs: Tensor | None
    kept: Kept | None = None

    def place(self, samples: np.ndarray) -> Tensor:
        """int16 [n, samples] as float32 in -1..1 on the device."""
        return torch.from_numpy(samples).to(self.device).float() / FULL_SCALE


def open_feed(array: ClipArray, config: Config, device: torch.device, augmented: bool) -> Feed:
    rirs = rooms.load(array, device) if augmented and config.augmentation.rir_probability > 0 else None
    return Feed(array, config, device, front_end(config.features).to(device), rirs)


def batch_seed(seed: int, epoch: int, batch: int) -> int:
    """A 63-bit seed that depends on nothing else."""
    return int(np.random.SeedSequence([seed, epoch, batch]).generate_state(1, np.uint64)[0] >> 1)


def heard_in(feed: Feed, epoch: int, pool: Windows | None = None) -> Windows:
    """The windows of one training epoch in the order in which they are heard, kept ones where there are any."""
    if feed.kept:
        return epoch_of(feed.kept, feed.array, feed.config, epoch, pool)
    return epoch_windows(feed.array, feed.config, epoch, pool)


def training_draw(feed: Feed, windows: Windows, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
    """Augmented waves [n, samples] and features [n, bands, frames]: a pure function of (seed, epoch, batch)."""
    seed = batch_seed(feed.config.training.seed, epoch, batch)
    torch.manual_seed(seed)  # dropout
    generator = Generator(feed.device).manual_seed(seed)
    size, options = window_samples(feed.config), feed.config.augmentation
    backgrounds = feed.array.labelled("background")
    noise = None
    if len(backgrounds) and options.background_probability > 0:
        drawn = draw_background(feed.array, backgrounds, len(windows), size, np.random.default_rng(seed))
        noise = feed.place(drawn)
    wave = feed.place(gather(feed.array, windows, size))
    wave = augmentation.augment_wave(wave, noise, feed.rirs, options, generator)
    features: Tensor = feed.front_end(wave)
    if feed.config.features.kind == "speech_embedding":  # a mask in numbers that each know 0.8 s means nothing
        return wave, features
    return wave, augmentation.augment_features(features, options, feed.config.features.hop_ms, generator)


def training_batch(feed: Feed, windows: Windows, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
    """Features [n, bands, frames] and labels [n] of one augmented batch."""
    if isinstance(windows, KeptWindows):
        torch.manual_seed(batch_seed(feed.config.training.seed, epoch, batch))  # dropout
        features = windows.read(feed.device)
    else:
        _, features = training_draw(feed, windows, epoch, batch)
    return features, torch.from_numpy(windows.positive).to(feed.device).float()


def plain_batches(feed: Feed, windows: Windows, size: int) -> Iterator[Tensor]:
    """Features of consecutive batches, as the clips are."""
    for first in range(0, len(windows), size):
        part = windows.take(slice(first, first + size))
        if isinstance(part, KeptWindows):
            yield part.read(feed.device)
        else:
            yield feed.front_end(feed.place(gather(feed.array, part, window_samples(feed.config))))
