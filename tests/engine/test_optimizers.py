"""The optimizer, the course of its rate, and the average of the weights."""

import itertools

import pytest
import torch
from torch import nn

from trainer.config.schema import Config, Optimizer
from trainer.engine.models import factory
from trainer.engine.training import optimizers
from trainer.engine.training.optimizers import Plateau


def test_the_learning_rate_rises_then_falls_to_zero():
    options = Optimizer(learning_rate=0.01, warmup_epochs=2.0)
    course = [optimizers.learning_rate(options, epoch, 10) for epoch in (0, 1, 2, 6, 10)]
    assert course == pytest.approx([0, 0.005, 0.01, 0.005, 0])
    assert optimizers.learning_rate(Optimizer(learning_rate=0.01, warmup_epochs=0.0), 0, 10) == 0.01


def test_norms_and_biases_are_not_decayed():
    optimizer = optimizers.make_optimizer(factory.build(Config()), Optimizer(weight_decay=0.1))
    decayed, spared = optimizer.param_groups
    assert decayed["weight_decay"] == 0.1 and all(weights.ndim > 1 for weights in decayed["params"])
    assert spared["weight_decay"] == 0 and all(weights.ndim == 1 for weights in spared["params"])


def test_sgd_takes_the_steps_of_nesterov():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    options = Optimizer(name="sgd", learning_rate=0.1, momentum=0.5, weight_decay=0.0)
    optimizer = optimizers.make_optimizer(model, options)
    course = []
    for _ in range(2):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
        course.append(model.weight.item())
    assert course == pytest.approx([1 - 0.1 * 1.5, 0.85 - 0.1 * (1 + 0.5 * 1.5)])
    assert isinstance(optimizers.make_optimizer(model, Optimizer(name="sgd", momentum=0.0)), torch.optim.SGD)


def test_one_cycle_rises_to_the_rate_and_falls_to_nothing_without_a_jump():
    options = Optimizer(schedule="one_cycle", learning_rate=0.1, warmup_epochs=2.0)
    course = [optimizers.learning_rate(options, epoch / 100, 10) for epoch in range(1001)]
    assert [course[0], course[300], course[1000]] == pytest.approx([0.004, 0.1, 1e-5])
    assert max(abs(b - a) for a, b in itertools.pairwise(course)) < 0.001
    assert course[:301] == sorted(course[:301]) and course[300:] == sorted(course[300:], reverse=True)


def test_a_constant_rate_stays_after_the_warm_up():
    options = Optimizer(schedule="constant", learning_rate=0.01, warmup_epochs=2.0)
    assert [optimizers.learning_rate(options, epoch, 10) for epoch in (1, 2, 10)] == pytest.approx([0.005, 0.01, 0.01])


def test_the_rate_falls_each_time_the_validation_loss_has_not_for_as_long_as_told():
    options = Optimizer(schedule="plateau", plateau_factor=0.1, plateau_patience=2, warmup_epochs=0.0)
    plateau, scales = Plateau(), []
    for loss in (0.5, 0.6, 0.5, 0.4, 0.4, 0.5, 0.3):
        plateau = optimizers.after_epoch(plateau, loss, options)
        scales.append(plateau.scale)
    assert scales == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])
    rate = optimizers.learning_rate(options, 7, 10, plateau.scale)
    assert rate == pytest.approx(options.learning_rate * 0.01)
    assert optimizers.after_epoch(Plateau(), 0.5, Optimizer()) == Plateau()


def test_the_average_follows_weights_and_statistics_and_forgets_the_first_weights_soon():
    model = nn.BatchNorm1d(1)
    average = optimizers.average_of(model)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.running_mean.fill_(4.0)
        model.num_batches_tracked.fill_(7)
    optimizers.update_average(average, model, 0.999, step=1)
    kept = 2 / 11
    assert average.weight.item() == pytest.approx(kept * 1 + (1 - kept) * 2)
    assert average.running_mean.item() == pytest.approx((1 - kept) * 4)
    assert average.num_batches_tracked.item() == 7 and not average.weight.requires_grad
    before = average.weight.item()
    optimizers.update_average(average, model, 0.999, step=10**6)
    assert average.weight.item() == pytest.approx(0.999 * before + 0.001 * 2)
