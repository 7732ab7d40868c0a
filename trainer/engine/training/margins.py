"""How surely a training hears each clip as its label says: margins of its windows, summed while it learns.

The margin of a window is the logit of its own label: the logit of the word where the clip is a positive, its negative
elsewhere. A clip with a wrong label has a low mean margin over all epochs, as the other clips of that label pull
against it until it is learned by heart (area under the margin, Pleiss et al., "Identifying mislabeled data using the
area under the margin ranking", NeurIPS 2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.engine.data.clips import ClipArray
from trainer.engine.data.windows import Windows

MOST_MARGIN = 4.0
"""A margin counts up to this much either way, so that one window far off does not outweigh many."""


@dataclass(frozen=True)
class Margins:
    """Sums over the windows of each clip of a split, float64 [clips]: of the margins, of how many had the sign of the
    label, and of how many were scored."""

    total: NDArray[np.float64]
    right: NDArray[np.float64]
    windows: NDArray[np.float64]


def positive_clips(array: ClipArray) -> NDArray[np.bool_]:
    """Which clips of a split are positives [clips]."""
    return np.array([clip.label == "positive" for clip in array.clips], dtype=bool)


def add_margins(
    sums: Margins | None, positive: NDArray[np.bool_], windows: Windows, logit: NDArray[np.float32]
) -> Margins:
    """The sums with these windows, by their logits [n]; `positive` [clips] are the positives of the split.

    They are changed in place: to copy them for every batch would take longer than it where there are 100,000 clips. A
    window of a positive clip that does not show the whole word says nothing about its label and is left out.
    """
    total = sums or Margins(*np.zeros((3, len(positive))))
    whole = windows.positive | ~positive[windows.clip]
    clip, margin = windows.clip[whole], np.where(windows.positive, logit, -logit)[whole].astype(np.float64)
    np.add.at(total.total, clip, margin.clip(-MOST_MARGIN, MOST_MARGIN))
    np.add.at(total.right, clip, margin > 0)
    np.add.at(total.windows, clip, 1.0)
    return total


def margin_tensors(margins: Margins | None) -> dict[str, Tensor] | None:
    """The sums as a checkpoint keeps them; None when there are none yet."""
    return None if margins is None else {name: torch.from_numpy(values) for name, values in vars(margins).items()}


def margins_from(saved: dict[str, Tensor] | None) -> Margins | None:
    """The sums that a checkpoint kept."""
    return None if saved is None else Margins(**{name: values.numpy() for name, values in saved.items()})
