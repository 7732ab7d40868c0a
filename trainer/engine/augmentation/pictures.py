"""What is done to features [n, rows, frames]: masks and mixup."""

from __future__ import annotations

import torch
from torch import Tensor


def _kept(masks: Tensor, size: int) -> Tensor:
    """Which of `size` cells [n, size] no mask covers; `masks` [n, masks, 2] are firsts and widths."""
    place = torch.arange(size, device=masks.device)
    first, width = masks[..., :1], masks[..., 1:]
    return ((place < first) | (place >= first + width)).all(1)


def mask(features: Tensor, time_masks: Tensor, row_masks: Tensor) -> Tensor:
    """Blank stretches of time and of rows with the mean of the window.

    Park et al., "SpecAugment" (2019).
    """
    kept = _kept(row_masks, features.shape[1])[:, :, None] & _kept(time_masks, features.shape[2])[:, None]
    return torch.where(kept, features, features.mean((1, 2), keepdim=True))


def mix(values: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """Blend each row of [n, ...] with that of its `partner` [n]; `share` [n] is its own part. For features and labels.

    Zhang et al., "mixup: beyond empirical risk minimization" (2018).
    """
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return share * values + (1 - share) * values[partner]
