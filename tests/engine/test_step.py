"""What one batch does to the weights: gathered gradients, the average, narrow numbers, a compiler that is missing."""

import dataclasses

import pytest
import torch
from torch import nn

from tests.engine.test_loop import prepared
from tests.tiny import make_workspace, tiny_config
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.training import epoch, losses, optimizers
from trainer.engine.training.epoch import StepPlan
from trainer.engine.training.session import Session
from trainer.engine.training.training_state import TrainingState


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def config_of(**groups: dict) -> Config:
    made = {name: group for name, group in tiny_config().model_dump().items() if group}
    return config_file.build({name: made.get(name, {}) | groups.get(name, {}) for name in {*made, *groups}})


def batch(windows: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.randn(windows, 40, 151, generator=torch.Generator().manual_seed(1))
    return noise, (torch.arange(windows) % 2).float()


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def test_batches_are_gathered_into_steps_and_the_rest_of_an_epoch_is_one_too():
    config = config_of(training={"accumulate": 3}, optimizer={"warmup_epochs": 0.0, "schedule": "constant"})
    strides = [epoch.plan_step(config, TrainingState(epoch=2, batch=n, step=10), batches=5) for n in range(5)]
    assert [(one.batches, one.ends) for one in strides] == [(3, False), (3, False), (3, True), (2, False), (2, True)]
    single = epoch.plan_step(config_of(), TrainingState(epoch=1, batch=4, step=4), batches=5)
    assert (single.step, single.batches, single.ends) == (5, 1, True)


def moved_by(session: Session, *taken: tuple[slice, StepPlan]) -> list[torch.Tensor]:
    """Weights of a model without norms before and after each of these parts of a batch."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(40 * 151, 1), nn.Flatten(0))
    own = dataclasses.replace(session, model=model, optimizer=torch.optim.SGD(model.parameters(), lr=1.0))
    features, positive = batch()
    found = [weights(model)]
    for part, stride in taken:
        epoch.take_step(own, features[part], positive[part], stride)
        found.append(weights(model))
    return found


def test_two_gathered_batches_move_the_weights_once_and_as_one_of_both_would(workspace):
    session = prepared(workspace, config_of(), "gathered")
    first, half, both = moved_by(
        session, (slice(0, 4), StepPlan(1, 0.1, batches=2, ends=False)), (slice(4, 8), StepPlan(1, 0.1, batches=2))
    )
    assert torch.equal(first, half) and not torch.equal(first, both)
    assert torch.allclose(both, moved_by(session, (slice(0, 8), StepPlan(1, 0.1)))[-1], atol=1e-6)


def test_the_average_is_what_is_judged(workspace):
    session = prepared(workspace, config_of(optimizer={"ema_decay": 0.5}), "averaged")
    first = weights(session.model)
    epoch.take_step(session, *batch(), StepPlan(1, 0.01))
    kept = min(0.5, 2 / 11)
    expected = kept * first + (1 - kept) * weights(session.model)
    assert session.eval_model is session.average and torch.allclose(weights(session.eval_model), expected, atol=1e-6)
    plain = prepared(workspace, config_of(), "plain")
    assert plain.average is None and plain.eval_model is plain.model


def test_bfloat16_computes_in_bfloat16_and_keeps_weights_and_loss_in_float32(workspace, monkeypatch):
    seen, logits = [], []
    loss_of = losses.training_loss
    monkeypatch.setattr(losses, "training_loss", lambda logit, *rest: logits.append(logit) or loss_of(logit, *rest))
    session = prepared(workspace, config_of(training={"precision": "bfloat16"}), "narrow")
    convolution = next(part for part in session.model.modules() if isinstance(part, nn.Conv1d | nn.Conv2d))
    convolution.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    epoch.take_step(session, *batch(), StepPlan(1, 0.01))
    assert seen == [torch.bfloat16] and logits[0].dtype == torch.float32
    assert {weight.dtype for weight in session.model.parameters()} == {torch.float32}


def test_precision_is_float32_on_a_cpu_unless_told():
    cpu = torch.device("cpu")
    assert optimizers.choose_dtype(config_of().training, cpu) == torch.float32
    with pytest.raises(ValueError, match=r"float16, but no GPU was found\. Choose auto"):
        optimizers.choose_dtype(config_of(training={"precision": "float16"}).training, cpu)
    with pytest.raises(config_file.ConfigError, match="float16 requires a GPU"):
        config_of(training={"precision": "float16", "device": "cpu"})
    assert not optimizers.make_scaler(torch.bfloat16, cpu).is_enabled()


def test_a_model_that_cannot_be_compiled_is_one_sentence(workspace):
    session = prepared(workspace, config_of(), "uncompiled")

    def refuse(graph, inputs):
        raise RuntimeError("no compiler\nat all")

    session.model.compile(backend=refuse)
    with pytest.raises(
        ValueError, match=r"^training\.compile: this model cannot be compiled here; turn it off\. \(.*\)$"
    ):
        epoch.take_step(session, *batch(), StepPlan(1, 0.01))
