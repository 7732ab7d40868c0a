"""Samples beyond single windows: room impulse responses, background noise, and all clips in the memory of a GPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config.schema import Config
from trainer.engine.data.clips import FULL_SCALE, ClipArray
from trainer.engine.data.windows import Windows
from trainer.estimates import requirements
from trainer.system.log_lines import say

LONGEST_RIR_SECONDS = 1.0


def load_rirs(array: ClipArray, device: torch.device) -> Tensor | None:
    """All room impulse responses of the array, float32 [rirs, taps], cut to one second; None when there are none.

    The strongest tap is taken as the direct path and moved to time zero, so that the end of a word stays in place.
    """
    chosen = array.labelled("rirs")
    if not len(chosen):
        return None
    taps = np.zeros((len(chosen), round(LONGEST_RIR_SECONDS * SAMPLE_RATE)), np.float32)
    for row, clip in zip(taps, chosen, strict=True):
        whole = array.samples[array.starts[clip] : array.starts[clip] + array.lengths[clip]] / FULL_SCALE
        cut = whole[int(np.argmax(np.abs(whole))) :][: len(row)]
        row[: len(cut)] = cut
    longest = int(np.flatnonzero(np.abs(taps).max(axis=0) > 0).max(initial=0)) + 1
    return torch.from_numpy(taps[:, :longest].copy()).to(device)


def noise_places(
    array: ClipArray, backgrounds: NDArray[np.int64], count: int, size: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """(clip, start) [count, 2] of random stretches of `size` samples; a shorter clip begins at its start."""
    clip = rng.choice(backgrounds, count)
    room = np.maximum(1, array.lengths[clip] - size + 1)
    return np.stack([clip, np.floor(rng.random(count) * room).astype(np.int64)], axis=1)


def cut_noise(array: ClipArray, places: NDArray[np.int64], audible: NDArray[np.bool_], size: int) -> NDArray[np.int16]:
    """Samples int16 [n, size] from `places` [n, 2], with short clips repeated; silence where not `audible` [n]."""
    out = np.zeros((len(places), size), np.int16)
    for row in np.flatnonzero(audible).tolist():
        clip, start = places[row].tolist()
        length, origin = int(array.lengths[clip]), int(array.starts[clip])
        out[row] = np.resize(array.samples[origin + start : origin + min(length, start + size)], size)
    return out


MOST_SAMPLES = 2**31 - 1
"""Places in the bank are 32-bit numbers, which keeps those of a batch small; the limit is 37 hours."""
_COPIED_SAMPLES = 2**24
Spans = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""For each row: the place of its first sample in the bank, the samples after which it repeats, and the first column
with sound and the one after the last; all others are silence."""


def open_bank(array: ClipArray, config: Config, device: torch.device) -> Tensor | None:
    """All samples, int16, on a GPU that has room for them; None on a CPU, which reads them in place.

    They take at most half of the memory that the training leaves free, because that is an estimate.
    """
    if device.type != "cuda" or not len(array.samples):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    room = (free - requirements.gpu_memory_bytes(config)) / 2
    if array.samples.nbytes > room or len(array.samples) > MOST_SAMPLES:
        say(f"{array.samples.nbytes / 1e9:.1f} GB of clips stay in main memory: the GPU has no room for all of them.")
        return None
    return copy_to_device(array.samples, device)


def copy_to_device(samples: NDArray[np.int16], device: torch.device) -> Tensor:
    """The samples on the device, copied in parts, so that a mapped file is never in memory as a whole."""
    bank = torch.empty(len(samples), dtype=torch.int16, device=device)
    for first in range(0, len(samples), _COPIED_SAMPLES):
        part = np.array(samples[first : first + _COPIED_SAMPLES])
        bank[first : first + len(part)] = torch.from_numpy(part)
    return bank


def window_spans(array: ClipArray, windows: Windows, size: int) -> Spans:
    """The spans of these windows; samples outside a clip are silence, as in `windows.gather`."""
    start, length = windows.start, array.lengths[windows.clip]
    return array.starts[windows.clip] + start, np.full_like(start, size), -start, length - start


def noise_spans(array: ClipArray, places: NDArray[np.int64], audible: NDArray[np.bool_], size: int) -> Spans:
    """The spans of noise at `places` [n, 2], with short clips repeated, as in `cut_noise`."""
    clip, start = places.T
    length = np.minimum(array.lengths[clip] - start, size)
    return array.starts[clip] + start, np.maximum(length, 1), np.zeros_like(start), np.where(audible, size, 0)


def gather_spans(bank: Tensor, spans: Spans, size: int) -> Tensor:
    """Samples int16 [n, size] of the bank."""
    rows = torch.from_numpy(np.stack(spans).astype(np.int32)).to(bank.device)
    first, length, low, high = rows[:, :, None]
    column = torch.arange(size, dtype=torch.int32, device=bank.device)
    place = (first + column % length).clamp_(0, len(bank) - 1)
    samples = bank.index_select(0, place.flatten()).view(place.shape)
    return samples.masked_fill_((column < low) | (column >= high), 0)
