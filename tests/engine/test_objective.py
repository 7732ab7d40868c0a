"""Loss, weights and the course of the learning rate."""

import math

import pytest
import torch

from trainer.config import Config, Loss, Optimizer
from trainer.engine import objective
from trainer.engine.models import factory


def test_cross_entropy_is_the_formula():
    logit, positive = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
    sigmoid = [1 / (1 + math.exp(-2.0)), 1 / (1 + math.exp(1.0))]
    expected = (-3 * math.log(sigmoid[0]) - math.log(1 - sigmoid[1])) / 4
    weight = objective.training_weights(positive, Loss(positive_weight=3.0))
    assert objective.cross_entropy(logit, positive, weight, 0.0).item() == pytest.approx(expected, rel=1e-5)


def test_smoothing_makes_certainty_cost():
    sure, weight = torch.tensor([20.0]), torch.ones(1)
    plain = objective.cross_entropy(sure, torch.ones(1), weight, 0.0)
    smoothed = objective.cross_entropy(sure, torch.ones(1), weight, 0.1)
    assert plain < 1e-6 and smoothed == pytest.approx(0.05 * 20, rel=1e-3)


def test_validation_loss_does_not_depend_on_how_many_negatives_there_are():
    config = Config()
    few = torch.tensor([1.0, 0.0])
    many = torch.tensor([1.0] + [0.0] * 50)
    losses = []
    for positive in (few, many):
        logit = torch.where(positive > 0, 0.3, -0.7)
        losses.append(objective.cross_entropy(logit, positive, objective.validation_weights(positive, config), 0.0))
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)


def test_the_learning_rate_rises_then_falls_to_zero():
    options = Optimizer(learning_rate=0.01, warmup_epochs=2.0)
    course = [objective.learning_rate(options, epoch, 10) for epoch in (0, 1, 2, 6, 10)]
    assert course == pytest.approx([0, 0.005, 0.01, 0.005, 0])
    assert objective.learning_rate(Optimizer(learning_rate=0.01, warmup_epochs=0.0), 0, 10) == 0.01


def test_norms_and_biases_are_not_decayed():
    optimizer = objective.make_optimizer(factory.build(Config()), Optimizer(weight_decay=0.1))
    decayed, spared = optimizer.param_groups
    assert decayed["weight_decay"] == 0.1 and all(weights.ndim > 1 for weights in decayed["params"])
    assert spared["weight_decay"] == 0 and all(weights.ndim == 1 for weights in spared["params"])
