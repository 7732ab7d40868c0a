"""The samples of all clips on a GPU, where windows are cut from them without passing through the CPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config.schema import Config
from trainer.engine.data.clips import ClipArray
from trainer.engine.data.windows import Windows
from trainer.estimates import requirements
from trainer.system.log import say

MOST_SAMPLES = 2**31 - 1
"""Places in the bank are counted in 32 bits, as those of a batch are its largest numbers; this is 37 hours."""
_COPIED_SAMPLES = 2**24
Spans = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""For each row: the place of its first sample in the bank, after how many samples it begins again, and from which
column up to which it is sound; all else is silence."""


def open_bank(array: ClipArray, config: Config, device: torch.device) -> Tensor | None:
    """All samples int16 on a GPU that has room for them beside the training; None on a CPU, which reads them in place.

    Half of what the training leaves free by estimate is taken at most, as it is only an estimate.
    """
    if device.type != "cuda" or not len(array.samples):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    room = (free - requirements.gpu_memory_bytes(config)) / 2
    if array.samples.nbytes > room or len(array.samples) > MOST_SAMPLES:
        say(f"{array.samples.nbytes / 1e9:.1f} GB of clips stay in main memory: the GPU has no room for all of them.")
        return None
    return copied(array.samples, device)


def copied(samples: NDArray[np.int16], device: torch.device) -> Tensor:
    """The samples on the device, copied in parts so that a mapped file is never in memory as a whole."""
    bank = torch.empty(len(samples), dtype=torch.int16, device=device)
    for first in range(0, len(samples), _COPIED_SAMPLES):
        part = np.array(samples[first : first + _COPIED_SAMPLES])
        bank[first : first + len(part)] = torch.from_numpy(part)
    return bank


def of_windows(array: ClipArray, windows: Windows, size: int) -> Spans:
    """Where the samples of these windows lie; what lies outside a clip is silence, as in `windows.gather`."""
    start, length = windows.start, array.lengths[windows.clip]
    return array.starts[windows.clip] + start, np.full_like(start, size), -start, length - start


def of_noise(array: ClipArray, places: NDArray[np.int64], heard: NDArray[np.bool_], size: int) -> Spans:
    """Where stretches of noise at `places` [n, 2] lie, a short clip repeated, as in `backgrounds.cut`."""
    clip, start = places.T
    length = np.minimum(array.lengths[clip] - start, size)
    return array.starts[clip] + start, np.maximum(length, 1), np.zeros_like(start), np.where(heard, size, 0)


def take(bank: Tensor, spans: Spans, size: int) -> Tensor:
    """Samples int16 [n, size] of the bank."""
    rows = torch.from_numpy(np.stack(spans).astype(np.int32)).to(bank.device)
    first, length, low, high = rows[:, :, None]
    column = torch.arange(size, dtype=torch.int32, device=bank.device)
    place = (first + column % length).clamp_(0, len(bank) - 1)
    found = bank.index_select(0, place.flatten()).view(place.shape)
    return found.masked_fill_((column < low) | (column >= high), 0)
