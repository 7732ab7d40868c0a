"""The one place where a model is made from its options."""

from __future__ import annotations

from torch import nn

from trainer.config import Config, feature_rows
from trainer.engine.models.bc_resnet import BcResNet
from trainer.engine.models.dense import Dense
from trainer.engine.models.resnet18 import ResNet18
from trainer.engine.models.tc_resnet import TcResNet8

MODELS = {"tc_resnet": TcResNet8, "bc_resnet": BcResNet, "resnet18": ResNet18, "dense": Dense}


def build(config: Config) -> nn.Module:
    """The network that `config` names: features [n, rows, columns] to logit [n]."""
    options = config.model
    return MODELS[options.name](feature_rows(config.features), options.width, options.dropout)


def parameters(model: nn.Module) -> int:
    """Trainable numbers in a model."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
