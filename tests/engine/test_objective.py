"""The losses and their weights."""

import math

import pytest
import torch

from trainer.config.schema import Config, Loss
from trainer.engine.training import losses


def test_cross_entropy_is_the_formula():
    logit, positive = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
    sigmoid = [1 / (1 + math.exp(-2.0)), 1 / (1 + math.exp(1.0))]
    expected = (-3 * math.log(sigmoid[0]) - math.log(1 - sigmoid[1])) / 4
    weight = losses.training_weights(positive, Loss(positive_weight=3.0))
    assert losses.cross_entropy(logit, positive, weight, 0.0).item() == pytest.approx(expected, rel=1e-5)


def test_smoothing_makes_certainty_cost():
    sure, weight = torch.tensor([20.0]), torch.ones(1)
    plain = losses.cross_entropy(sure, torch.ones(1), weight, 0.0)
    smoothed = losses.cross_entropy(sure, torch.ones(1), weight, 0.1)
    assert plain < 1e-6 and smoothed == pytest.approx(0.05 * 20, rel=1e-3)


def test_validation_loss_does_not_depend_on_how_many_negatives_there_are():
    config = Config()
    few = torch.tensor([1.0, 0.0])
    many = torch.tensor([1.0] + [0.0] * 50)
    both = []
    for positive in (few, many):
        logit = torch.where(positive > 0, 0.3, -0.7)
        both.append(losses.cross_entropy(logit, positive, losses.validation_weights(positive, config), 0.0))
    assert both[0].item() == pytest.approx(both[1].item(), rel=1e-5)


@pytest.mark.parametrize("weight", [0.05, 0.3, 1.0, 7.0])
def test_weights_are_exact_for_words_and_others_and_between_for_mixtures(weight: float):
    found = losses.training_weights(torch.tensor([0.0, 1.0, 0.5]), Loss(positive_weight=weight))
    assert found[:2].tolist() == [1.0, torch.tensor(weight).item()]
    assert found[2].item() == pytest.approx((1 + weight) / 2)


def test_the_loss_takes_labels_in_between_and_is_least_at_them():
    options = Loss(label_smoothing=0.0)
    positive = torch.tensor([0.9, 0.7, 0.2, 0.0])
    logit = torch.logit(positive.clamp(0.01, 0.99)).requires_grad_()
    at_labels = losses.training_loss(logit, positive, options)
    at_labels.backward()
    assert torch.isfinite(logit.grad).all()
    assert at_labels < losses.training_loss(-logit, positive, options)


def test_the_loss_stays_a_number_at_the_largest_logits():
    logit = torch.tensor([80.0, -80.0, 80.0, -80.0], requires_grad=True)
    loss = losses.training_loss(logit, torch.tensor([1.0, 1.0, 0.0, 0.0]), Loss())
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logit.grad).all()


def trimmed_of(logit: list[float], positive: list[int]) -> float:
    return losses.trimmed_loss(torch.tensor(logit), torch.tensor(positive, dtype=torch.float32), Config()).item()


@pytest.mark.parametrize(("words", "others"), [(5, 8), (77, 346), (40, 40)])
def test_five_percent_of_wrong_labels_do_not_make_the_robust_loss_grow(words: int, others: int):
    """As a model grows surer the loss of wrong labels grows without limit; that of the others falls."""
    wrong = [max(1, round(0.05 * count)) for count in (words, others)]
    labels = [1] * words + [0] * others
    tells = [-1.0] * wrong[0] + [1.0] * (words - wrong[0]) + [1.0] * wrong[1] + [-1.0] * (others - wrong[1])
    unsure, sure = ([times * each for each in tells] for times in (1.0, 3.0))
    weight = losses.validation_weights(torch.tensor(labels, dtype=torch.float32), Config())
    plain = [
        losses.cross_entropy(torch.tensor(logit), torch.tensor(labels, dtype=torch.float32), weight, 0.05).item()
        for logit in (unsure, sure)
    ]
    assert trimmed_of(sure, labels) < 0.7 * trimmed_of(unsure, labels)
    assert trimmed_of(sure, labels) < 0.7 * plain[1]


def test_the_robust_loss_counts_each_label_for_its_share_and_needs_no_second_one():
    config = Config()
    share, low, high = config.data.positive_share, trimmed_of([1.0] * 9, [1] * 9), trimmed_of([1.0] * 30, [0] * 30)
    both = trimmed_of([1.0] * 39, [1] * 9 + [0] * 30)
    assert both == pytest.approx(share * low + (1 - share) * high, rel=1e-5)
    assert trimmed_of([1.0], [1]) == pytest.approx(low, rel=1e-5), "one window is left, if it is the worst"
