"""Batches: windows as features on the training device, augmented or not, prepared one batch ahead."""

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
from trainer.engine.data.windows import Kept, KeptWindows, Windows, epoch_of, epoch_windows, gather, window_samples
from trainer.engine.features.embedding import SpeechEmbedding
from trainer.engine.features.features import FrontEnd, Standardised, front_end
from trainer.estimates import model_size

Made = TypeVar("Made")


MEASURED_WINDOWS = 2048
"""From so many training windows the mean and deviation of a data set are taken."""
CPU_WINDOWS = 64
"""A CPU augments a large batch in parts of so many windows: in smaller ones each FFT of a room costs more to plan than
to compute, and larger ones leave its cache."""
WHITE_SAMPLES = 2**20
"""A minute of white noise, drawn once: to draw it anew for every batch takes a CPU half as long as the features."""


@dataclass(frozen=True)
class Feed:
    """All that turns windows of one split into batches on one device; `backgrounds` [clips] are their indices, `white`
    [samples] is the noise that dither is taken from; `bank` are the samples of the array where they lie on a GPU."""

    array: ClipArray
    config: Config
    device: torch.device
    front_end: FrontEnd | SpeechEmbedding
    rirs: Tensor | None
    backgrounds: NDArray[np.int64]
    white: Tensor
    bank: Tensor | None = None
    kept: Kept | None = None

    def windows(self, windows: Windows, size: int) -> Tensor:
        """`size` samples from the start of each window on, float32 [n, size] in -1..1 on the device."""
        if self.bank is None:
            return self._place(torch.from_numpy(gather(self.array, windows, size)))
        return self._place(sound_bank.take(self.bank, sound_bank.of_windows(self.array, windows, size), size))

    def noise(self, places: NDArray[np.int64], heard: NDArray[np.bool_], size: int) -> Tensor:
        """Backgrounds from `places` [n, 2], float32 [n, size] on the device; silence where none is `heard` [n]."""
        if self.bank is None:
            return self._place(torch.from_numpy(sound_bank.cut_noise(self.array, places, heard, size)))
        return self._place(sound_bank.take(self.bank, sound_bank.of_noise(self.array, places, heard, size), size))

    def _place(self, samples: Tensor) -> Tensor:
        return samples.to(self.device).float().div_(FULL_SCALE)


def open_feed(
    array: ClipArray, config: Config, device: torch.device, augmented: bool, samples: Tensor | None = None
) -> Feed:
    """All that batches are made with; `samples` are those of the array on the device, see `sound_bank.open_bank`."""
    rirs = sound_bank.load_rooms(array, device) if augmented and config.augmentation.rir_probability > 0 else None
    white = torch.randn(WHITE_SAMPLES, generator=torch.Generator().manual_seed(config.training.seed)).to(device)
    front = front_end(config.features).to(device)
    return Feed(array, config, device, front, rirs, array.labelled("background"), white, samples)


def batch_seeds(seed: int, epoch: int, batch: int) -> list[int]:
    """Seeds that depend on nothing else: of what is drawn, of noise that is made, of dropout."""
    return [int(word >> 1) for word in np.random.SeedSequence([seed, epoch, batch]).generate_state(3, np.uint64)]


def seed_dropout(config: Config, epoch: int, batch: int) -> None:
    """Seed the generator that the model draws from, before the forward pass of this batch."""
    torch.manual_seed(batch_seeds(config.training.seed, epoch, batch)[2])


def heard_in(feed: Feed, epoch: int, pool: Windows | None = None) -> Windows:
    """The windows of one training epoch in the order in which they are heard, kept ones where there are any."""
    if feed.kept:
        return epoch_of(feed.kept, feed.array, feed.config, epoch, pool)
    return epoch_windows(feed.array, feed.config, epoch, pool)


@dataclass(frozen=True)
class Drawn:
    """An augmented batch: waves [some, samples] in parts, features [n, rows, frames], labels [n] (between 0 and 1 in a
    blend), and how many samples of its clip each window was made from [n]."""

    waves: list[Tensor]
    features: Tensor
    positive: Tensor
    source: NDArray[np.int64]


def _draws(feed: Feed, count: int, rng: np.random.Generator) -> Draws:
    """What is done to each of `count` windows."""
    options, features = feed.config.augmentation, feed.config.features
    shape, time_mask = (feature_rows(features), model_size.frames(feed.config)), options.time_mask_ms // features.hop_ms
    rirs, noisy = 0 if feed.rirs is None else len(feed.rirs), len(feed.backgrounds) > 0
    return draw(rng, count, options, time_mask, shape, rirs, noisy)


def _noise(feed: Feed, places: NDArray[np.int64], noises: NDArray[np.int64], size: int) -> Tensor | None:
    """Background [n, size] from `places` [n, most, 2], of which each window hears the first `noises` [n]."""
    layers = [feed.noise(places[:, i], noises > i, size) for i in range(noises.max())]
    return augment.blend(layers)


def _parts(count: int, device: torch.device) -> list[slice]:
    """How a batch of `count` windows is augmented: in parts on a CPU, at once elsewhere."""
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


def training_draw(feed: Feed, windows: Windows, epoch: int, batch: int) -> Drawn:
    """One augmented batch: a pure function of (seed, epoch, batch) that leaves torch's own generator alone."""
    seed, noise_seed, _ = batch_seeds(feed.config.training.seed, epoch, batch)
    rng = np.random.default_rng(seed)
    draws = _draws(feed, len(windows), rng)
    waves = list(_waves(feed, windows, draws, rng, noise_seed))
    seen = torch.cat([feed.front_end(wave) for wave in waves])
    positive = torch.from_numpy(windows.positive).to(feed.device).float()
    if feed.config.features.kind != "speech_embedding":  # a mask in numbers that each know 0.8 s means nothing
        seen, positive = augment.augment_features(seen, positive, draws)
    return Drawn(waves, seen, positive, np.rint(window_samples(feed.config) * draws.speed).astype(np.int64))


def training_batch(feed: Feed, windows: Windows, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
    """Features [n, rows, frames] and labels [n] of one augmented batch."""
    if isinstance(windows, KeptWindows):
        return windows.read(feed.device), torch.from_numpy(windows.positive).to(feed.device).float()
    drawn = training_draw(feed, windows, epoch, batch)
    return drawn.features, drawn.positive


def plain_batches(feed: Feed, windows: Windows, size: int) -> Iterator[Tensor]:
    """Features of consecutive batches, as the clips are."""
    for first in range(0, len(windows), size):
        part = windows.take(slice(first, first + size))
        if isinstance(part, KeptWindows):
            yield part.read(feed.device)
        else:
            yield feed.front_end(feed.windows(part, window_samples(feed.config)))


def standardise(model: nn.Module, feed: Feed, beat: Callable[[], None]) -> None:
    """Give a model that needs them the mean and deviation of each row over training windows as they are; `beat` is
    called after every batch."""
    if isinstance(model, Standardised):
        windows = epoch_windows(feed.array, feed.config, 1)
        spread = np.linspace(0, len(windows) - 1, min(len(windows), MEASURED_WINDOWS)).astype(np.int64)
        measured = []
        for features in plain_batches(feed, windows.take(spread), 256):
            measured.append(features)
            beat()
        model.measure(measured)


def one_ahead(make: Callable[[int], Made], numbers: Iterable[int]) -> Generator[Made]:
    """What `make` makes of each number, in order; the next is made while the caller uses the last.

    It runs in one thread on one core beside the threads of torch, because augmentation is too finely divided to gain
    from a second; where torch has one thread, so that other cores are left alone, everything is made in turn. An
    exception is raised when its number is due. Close the generator when leaving early: that waits for the thread.
    """
    if torch.get_num_threads() == 1:
        yield from map(make, numbers)
        return
    with ThreadPoolExecutor(1, "ahead", torch.set_num_threads, (1,)) as thread:
        begun = (thread.submit(make, number) for number in numbers)
        for due, _ in itertools.pairwise(itertools.chain(begun, [Future[Made]()])):
            yield due.result()
