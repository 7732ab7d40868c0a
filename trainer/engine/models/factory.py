"""Builds a model from its options."""

from __future__ import annotations

from torch import nn

from trainer.config.schema import Config, feature_rows
from trainer.engine.features.features import Standardised
from trainer.engine.models.convolutional import BcResNet, MobileNetV3Small, ResNet18, TcResNet8
from trainer.engine.models.mixednet import MixedNet
from trainer.engine.models.sequential import ConvAttention, DenseHead, Gru, Lstm, Tcn
from trainer.estimates import model_size

OF_ANY_LENGTH = {
    "tc_resnet": TcResNet8,
    "bc_resnet": BcResNet,
    "resnet18": ResNet18,
    "mobilenet_v3_small": MobileNetV3Small,
    "tcn": Tcn,
    "lstm": Lstm,
    "gru": Gru,
    "conv_attention": ConvAttention,
}
"""Models whose weights do not depend on the number of frames."""
OF_FRAMES = {"dense": DenseHead, "mixednet": MixedNet}
"""Models whose last layer reads every frame of the window."""


def build(config: Config) -> nn.Module:
    """The configured network: features [n, rows, frames] to logit [n]."""
    options, rows = config.model, feature_rows(config.features)
    if options.name in OF_FRAMES:
        network = OF_FRAMES[options.name](rows, model_size.frames(config), options.width, options.dropout)
    else:
        network = OF_ANY_LENGTH[options.name](rows, options.width, options.dropout)
    return Standardised(network, rows) if config.features.normalisation == "data_set" else network


def count_parameters(model: nn.Module) -> int:
    """The number of trainable parameters."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
