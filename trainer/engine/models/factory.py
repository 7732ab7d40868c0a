"""The one place where a model is made from its options."""

from __future__ import annotations

from torch import nn

from trainer.config import Config, feature_rows
from trainer.engine.features import Standardised
from trainer.engine.models.bc_resnet import BcResNet
from trainer.engine.models.resnet18 import ResNet18
from trainer.engine.models.tc_resnet import TcResNet8

MODELS = {"tc_resnet": TcResNet8, "bc_resnet": BcResNet, "resnet18": ResNet18}


def build(config: Config) -> nn.Module:
    """The network that `config` names: features [n, rows, frames] to logit [n]."""
    options, rows = config.model, feature_rows(config.features)
    network = MODELS[options.name](rows, options.width, options.dropout)
    return Standardised(network, rows) if config.features.normalisation == "data_set" else network


def parameters(model: nn.Module) -> int:
    """Trainable numbers in a model."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
