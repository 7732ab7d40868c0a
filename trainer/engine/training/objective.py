"""What is minimised: cross-entropy, focal loss, or cross-entropy with the tail of the negatives; and their weights.

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
    """The loss that `loss.name` names, a scalar, of logits [n] against labels [n]."""
    weight = training_weights(positive, options)
    if options.name == "focal":
        return focal(logit, positive, weight, options.label_smoothing, options.focal_gamma)
    loss = cross_entropy(logit, positive, weight, options.label_smoothing)
    if options.name == "tail":
        loss = loss + options.tail_weight * tail(logit, positive, options.tail_share)
    return loss


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


def focal(logit: Tensor, positive: Tensor, weight: Tensor, smoothing: float, gamma: float) -> Tensor:
    """Focal loss (Lin et al. 2017): the cross-entropy of a window counts by how far it is off, to the power gamma.

    Labels in between as in Li et al. 2020 (quality focal loss): (1 - p of the truth) becomes |label - p|. Unlike there
    the weights are not normalised by that power, so that the loss falls as windows get easy.
    """
    off = (positive - logit.sigmoid()).abs().clamp(min=1e-6)  # powers below 1 have no slope at 0
    return (off.pow(gamma) * _each(logit, positive, smoothing) * weight).sum() / weight.sum()


def tail(logit: Tensor, positive: Tensor, share: float) -> Tensor:
    """How far the highest-scoring `share` of the negatives reach into the positives: mean of log(1 + exp(n - p)).

    The pairs of all positives with the top of the negatives are those that a partial area under the ROC curve counts
    (Narasimhan and Agarwal 2013), the mean over the worst share is a conditional value at risk (Rockafellar and Uryasev
    2000), the logistic function stands for the count. A pair weighs as much as its labels differ.
    """
    is_word = positive >= 0.5
    words, others = logit[is_word], logit[~is_word]
    if not len(words) or not len(others):
        return logit.new_zeros(())
    highest, place = others.topk(max(1, round(share * len(others))))
    weight = positive[is_word][:, None] - positive[~is_word][place][None]
    return (weight * nn.functional.softplus(highest[None] - words[:, None])).sum() / weight.sum()


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
