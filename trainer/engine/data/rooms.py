"""Room impulse responses as one tensor, their direct path at time zero."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.engine.data.clips import FULL_SCALE, ClipArray

LONGEST_RIR_SECONDS = 1.0


def load(array: ClipArray, device: torch.device) -> Tensor | None:
    """All rirs of the array, float32 [rirs, taps], cut to one second; None when there are none.

    The strongest tap is taken for the direct path and moved to time zero, so that a word's end stays in place.
    """
    chosen = array.labelled("rirs")
    if not len(chosen):
        return None
    taps = np.zeros((len(chosen), round(LONGEST_RIR_SECONDS * SAMPLE_RATE)), np.float32)
    for row, clip in zip(taps, chosen, strict=True):
        whole = array.samples[array.starts[clip] : array.starts[clip] + array.lengths[clip]] / FULL_SCALE
        cut = whole[int(np.argmax(np.abs(whole))) :][: len(row)]
        row[: len(cut)] = cut
    used = int(np.flatnonzero(np.abs(taps).max(axis=0) > 0).max(initial=0)) + 1
    return torch.from_numpy(taps[:, :used].copy()).to(device)
