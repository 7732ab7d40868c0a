"""The loss: weighted binary cross-entropy, its trimmed mean for validation, and the weights of windows.

Labels lie between 0 (other) and 1 (the word); mixed windows have one in between.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainer.config import schema

TRIMMED_SHARE = 0.05
"""Share of the windows of each label that is dropped: about the share of wrong labels in a carefully made data set."""


def training_loss(logit: Tensor, positive: Tensor, options: schema.Loss) -> Tensor:
    """The weighted cross-entropy, a scalar, of logits [n] against labels [n]."""
    return cross_entropy(logit, positive, training_weights(positive, options), options.label_smoothing)


def cross_entropy(logit: Tensor, positive: Tensor, weight: Tensor, smoothing: float) -> Tensor:
    """Weighted binary cross-entropy of logits [n] against labels [n], weights [n] of any scale."""
    return (_window_losses(logit, positive, smoothing) * weight).sum() / weight.sum()


def trimmed_loss(logit: Tensor, positive: Tensor, options: schema.Config) -> Tensor:
    """Cross-entropy of logits [n] against labels [n] without the worst 5 % of each label, a scalar.

    A trimmed mean (Tukey 1962): windows with a wrong label are among the worst, and their loss is unbounded. Positives
    have the same share as in training, as in the validation loss.
    """
    each, share = _window_losses(logit, positive, options.loss.label_smoothing), options.data.positive_share
    words, others = (_drop_worst(each[is_word]) for is_word in (positive > 0, positive == 0))
    if not len(words) or not len(others):
        return (words if len(words) else others).mean()
    weight = share * options.loss.positive_weight
    return (weight * words.mean() + (1 - share) * others.mean()) / (weight + 1 - share)


def _drop_worst(each: Tensor) -> Tensor:
    """These losses [n] without the highest TRIMMED_SHARE of them, rounded up; at least one remains."""
    worst = math.ceil(TRIMMED_SHARE * len(each))
    return each.sort().values[: max(1, len(each) - worst)]


def _window_losses(logit: Tensor, positive: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy [n]; with label smoothing s (Szegedy et al. 2016) the targets are s/2 and 1 - s/2."""
    target = positive * (1 - smoothing) + smoothing / 2
    return nn.functional.binary_cross_entropy_with_logits(logit, target, reduction="none")


def training_weights(positive: Tensor, loss: schema.Loss) -> Tensor:
    """Weight [n] of each training window, interpolated for mixed labels."""
    ones = torch.ones_like(positive)
    return torch.lerp(ones, ones * loss.positive_weight, positive)


def validation_weights(positive: Tensor, options: schema.Config) -> Tensor:
    """Weight [n] of each validation window: positives have the same share as in training.

    The validation loss is then comparable with the training loss, whatever the ratio of labels in the split.
    """
    share, count, words = options.data.positive_share, len(positive), positive.sum().clamp(min=1)
    rest = (count - positive.sum()).clamp(min=1)
    balanced = torch.where(positive > 0, share / words, (1 - share) / rest)
    return balanced * training_weights(positive, options.loss)
