"""Batches: features of windows on the training device, augmented or not, prefetched by one batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config.schema import Config, feature_rows
from trainer.engine.augmentation import augment, effects
from trainer.engine.augmentation.augment import Draws, draw
from trainer.engine.data import sound_bank
from trainer.engine.data.clips import FULL_SCALE, ClipArray
from trainer.engine.data.windows import (
    Precomputed,
    PrecomputedWindows,
    Windows,
    epoch_windows,
    gather,
    precomputed_epoch,
    window_samples,
)
from trainer.engine.features.embedding import SpeechEmbedding
from trainer.engine.features.features import FrontEnd, Standardised, front_end
from trainer.estimates import model_size

Item = TypeVar("Item")


MEASURED_WINDOWS = 2048
"""Training windows from which the mean and deviation of a data set are computed."""
CPU_WINDOWS = 64
"""Windows that a CPU augments at a time: with fewer, planning the FFTs of rooms costs more than computing them; more do
not fit the cache."""
WHITE_SAMPLES = 2**20
"""A minute of white noise, drawn once: drawing it for every batch takes a CPU half as long as the features."""


@dataclass(frozen=True)
class Feed:
    """Everything that turns windows of one split into batches on one device.

    `backgrounds` [clips] are indices of the array, `white` [samples] is the noise that dither is taken from, `bank`
    holds the samples of the array if they are on the GPU.
    """

    array: ClipArray
    config: Config
    device: torch.device
    front_end: FrontEnd | SpeechEmbedding
    rirs: Tensor | None
    backgrounds: NDArray[np.int64]
    white: Tensor
    bank: Tensor | None = None
    precomputed: Precomputed | None = None

    def windows(self, windows: Windows, size: int) -> Tensor:
        """`size` samples from the start of each window, float32 [n, size] in -1..1 on the device."""
        if self.bank is None:
            return self._place(torch.from_numpy(gather(self.array, windows, size)))
        return self._place(sound_bank.gather_spans(self.bank, sound_bank.window_spans(self.array, windows, size), size))

    def noise(self, places: NDArray[np.int64], audible: NDArray[np.bool_], size: int) -> Tensor:
        """Backgrounds from `places` [n, 2], float32 [n, size] on the device; silence where it is not `audible` [n]."""
        if self.bank is None:
            return self._place(torch.from_numpy(sound_bank.cut_noise(self.array, places, audible, size)))
        return self._place(
            sound_bank.gather_spans(self.bank, sound_bank.noise_spans(self.array, places, audible, size), size)
        )

    def _place(self, samples: Tensor) -> Tensor:
        return samples.to(self.device).float().div_(FULL_SCALE)


def open_feed(
    array: ClipArray, config: Config, device: torch.device, augmented: bool, samples: Tensor | None = None
) -> Feed:
    """The feed of a split; `samples` are those of the array on the device, see `sound_bank.open_bank`."""
    rirs = sound_bank.load_rirs(array, device) if augmented and config.augmentation.rir_probability > 0 else None
    white = torch.randn(WHITE_SAMPLES, generator=torch.Generator().manual_seed(config.training.seed)).to(device)
    front = front_end(config.features).to(device)
    return Feed(array, config, device, front, rirs, array.labelled("background"), white, samples)


def batch_seeds(seed: int, epoch: int, batch: int) -> list[int]:
    """Seeds of the augmentation parameters, of generated noise and of dropout: functions of the arguments alone."""
    return [int(word >> 1) for word in np.random.SeedSequence([seed, epoch, batch]).generate_state(3, np.uint64)]


def seed_dropout(config: Config, epoch: int, batch: int) -> None:
    """Seed torch's generator, which dropout draws from, before the forward pass of this batch."""
    torch.manual_seed(batch_seeds(config.training.seed, epoch, batch)[2])


def draw_epoch(feed: Feed, epoch: int, pool: Windows | None = None) -> Windows:
    """The windows of one training epoch in order, with precomputed features if the feed has them."""
    if feed.precomputed:
        return precomputed_epoch(feed.precomputed, feed.array, feed.config, epoch, pool)
    return epoch_windows(feed.array, feed.config, epoch, pool)


@dataclass(frozen=True)
class AugmentedBatch:
    """Waves [some, samples] in parts, features [n, rows, frames], labels [n] (between 0 and 1 after mixup), and the
    number of samples of its clip that each window shows [n]."""

    waves: list[Tensor]
    features: Tensor
    positive: Tensor
    source: NDArray[np.int64]


def _draw_parameters(feed: Feed, count: int, rng: np.random.Generator) -> Draws:
    """The augmentation parameters of `count` windows."""
    options, features = feed.config.augmentation, feed.config.features
    shape, time_mask = (feature_rows(features), model_size.frames(feed.config)), options.time_mask_ms // features.hop_ms
    rirs, noisy = 0 if feed.rirs is None else len(feed.rirs), len(feed.backgrounds) > 0
    return draw(rng, count, options, time_mask, shape, rirs, noisy)


def _noise(feed: Feed, places: NDArray[np.int64], noises: NDArray[np.int64], size: int) -> Tensor | None:
    """Background noise [n, size]: each window gets the first `noises` [n] of its `places` [n, most, 2]."""
    layers = [feed.noise(places[:, i], noises > i, size) for i in range(noises.max())]
    return augment.mix_noises(layers)


def _parts(count: int, device: torch.device) -> list[slice]:
    """The parts in which a batch of `count` windows is augmented: several on a CPU, one elsewhere."""
    size = CPU_WINDOWS if device.type == "cpu" else max(1, count)
    return [slice(first, first + size) for first in range(0, count, size)]


def _waves(feed: Feed, windows: Windows, draws: Draws, rng: np.random.Generator, noise_seed: int) -> Iterator[Tensor]:
    """Augmented waves [some, samples] of these windows, in parts."""
    size, most = window_samples(feed.config), feed.config.augmentation.backgrounds_most
    longer = effects.source_samples(feed.config.augmentation, size) - size
    stretches = Windows(windows.clip, windows.start - longer, windows.positive)
    places = np.zeros((len(windows), most, 2), np.int64)
    if draws.noises.any():
        places = sound_bank.noise_places(feed.array, feed.backgrounds, len(windows) * most, size, rng).reshape(
            -1, most, 2
        )
    generator = torch.Generator(feed.device).manual_seed(noise_seed)
    for part in _parts(len(windows), feed.device):
        stretch = feed.windows(stretches.take(part), size + longer)
        noise = _noise(feed, places[part], draws.noises[part], size)
        yield augment.augment_wave(stretch, noise, feed.rirs, feed.white, draws.take(part), size, generator)


def augment_batch(feed: Feed, windows: Windows, epoch: int, batch: int) -> AugmentedBatch:
    """One augmented batch: a pure function of (seed, epoch, batch) that leaves torch's own generator alone."""
    seed, noise_seed, _ = batch_seeds(feed.config.training.seed, epoch, batch)
    rng = np.random.default_rng(seed)
    draws = _draw_parameters(feed, len(windows), rng)
    waves = list(_waves(feed, windows, draws, rng, noise_seed))
    features = torch.cat([feed.front_end(wave) for wave in waves])
    positive = torch.from_numpy(windows.positive).to(feed.device).float()
    if feed.config.features.kind != "speech_embedding":  # each embedding spans 0.8 s, too long for masks
        features, positive = augment.augment_features(features, positive, draws)
    return AugmentedBatch(
        waves, features, positive, np.rint(window_samples(feed.config) * draws.speed).astype(np.int64)
    )


def training_batch(feed: Feed, windows: Windows, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
    """Features [n, rows, frames] and labels [n] of one augmented batch."""
    if isinstance(windows, PrecomputedWindows):
        return windows.read(feed.device), torch.from_numpy(windows.positive).to(feed.device).float()
    drawn = augment_batch(feed, windows, epoch, batch)
    return drawn.features, drawn.positive


def plain_batches(feed: Feed, windows: Windows, size: int) -> Iterator[Tensor]:
    """Features of consecutive batches without augmentation."""
    for first in range(0, len(windows), size):
        part = windows.take(slice(first, first + size))
        if isinstance(part, PrecomputedWindows):
            yield part.read(feed.device)
        else:
            yield feed.front_end(feed.windows(part, window_samples(feed.config)))


def standardise(model: nn.Module, feed: Feed, heartbeat: Callable[[], None]) -> None:
    """Set the mean and deviation of each row over training windows, in a model that uses them; `heartbeat` is called
    after every batch."""
    if isinstance(model, Standardised):
        windows = epoch_windows(feed.array, feed.config, 1)
        spread = np.linspace(0, len(windows) - 1, min(len(windows), MEASURED_WINDOWS)).astype(np.int64)
        measured = []
        for features in plain_batches(feed, windows.take(spread), 256):
            measured.append(features)
            heartbeat()
        model.measure(measured)


def prefetch(make: Callable[[int], Item], numbers: Iterable[int]) -> Generator[Item]:
    """Yield `make(number)` for each number in order; the next item is made while the caller uses the last.

    One thread makes the items beside those of torch: augmentation consists of operations too small to gain from more.
    Where torch has one thread, so that the other cores stay free, no thread is started. An exception of `make` is
    raised when its item is due. Close the generator when leaving early: that waits for the thread.
    """
    if torch.get_num_threads() == 1:
        yield from map(make, numbers)
        return
    with ThreadPoolExecutor(1, "ahead", torch.set_num_threads, (1,)) as thread:
        submitted = (thread.submit(make, number) for number in numbers)
        for due, _ in itertools.pairwise(itertools.chain(submitted, [Future[Item]()])):
            yield due.result()
