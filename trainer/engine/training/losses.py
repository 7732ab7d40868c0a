"""The loss: weighted binary cross-entropy, its trimmed mean for validation, and the weights of windows.

Labels lie between 0 (other) and 1 (the word); mixed windows have one in between.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainer.config import schema

TRIMMED_SHARE = 0.05
"""Of the windows of each label: as many as the labels that are wrong in a data set of some care."""


def training_loss(logit: Tensor, positive: Tensor, options: schema.Loss) -> Tensor:
    """The weighted cross-entropy, a scalar, of logits [n] against labels [n]."""
    return cross_entropy(logit, positive, training_weights(positive, options), options.label_smoothing)


def cross_entropy(logit: Tensor, positive: Tensor, weight: Tensor, smoothing: float) -> Tensor:
    """Weighted binary cross-entropy of logits [n] against labels [n], weights [n] of any scale."""
    return (_each(logit, positive, smoothing) * weight).sum() / weight.sum()


def trimmed(logit: Tensor, positive: Tensor, options: schema.Config) -> Tensor:
    """Cross-entropy of logits [n] against labels [n] without the worst 5 % of each label, a scalar.

    A trimmed mean (Tukey 1962): windows with a wrong label are among the worst, and their loss
    grows without limit as a model grows surer. Positives count for the share that they have in training, as in the
    validation loss.
    """
    each, share = _each(logit, positive, options.loss.label_smoothing), options.data.positive_share
    words, others = (_without_worst(each[is_word]) for is_word in (positive > 0, positive == 0))
    if not len(words) or not len(others):
        return (words if len(words) else others).mean()
    weight = share * options.loss.positive_weight
    return (weight * words.mean() + (1 - share) * others.mean()) / (weight + 1 - share)


def _without_worst(each: Tensor) -> Tensor:
    """The lowest of these losses [n], without TRIMMED_SHARE of them rounded up; one is always left."""
    worst = math.ceil(TRIMMED_SHARE * len(each))
    return each.sort().values[: max(1, len(each) - worst)]


def _each(logit: Tensor, positive: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy [n]; with label smoothing s (Szegedy et al. 2016) the targets are s/2 and 1 - s/2."""
    target = positive * (1 - smoothing) + smoothing / 2
    return nn.functional.binary_cross_entropy_with_logits(logit, target, reduction="none")


def training_weights(positive: Tensor, loss: schema.Loss) -> Tensor:
    """Weight [n] of each training window; one with a label in between has a weight in between."""
    ones = torch.ones_like(positive)
    return torch.lerp(ones, ones * loss.positive_weight, positive)


def validation_weights(positive: Tensor, options: schema.Config) -> Tensor:
    """Weight [n] of each validation window: positives count for the share that they have in training.

    So the validation loss can be laid beside the training loss however many negatives the split happens to hold.
    """
    share, count, words = options.data.positive_share, len(positive), positive.sum().clamp(min=1)
    rest = (count - positive.sum()).clamp(min=1)
    balanced = torch.where(positive > 0, share / words, (1 - share) / rest)
    return balanced * training_weights(positive, options.loss)
