"""How large a model is before it is built: parameters, multiply-adds and what a training step keeps, without torch.

Each model's sizes follow from its layers as `trainer.engine.models` builds them; a test compares them with the built
model for every width, number of bands and window.
"""

from __future__ import annotations

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config.schema import EMBEDDING_STEP_SECONDS, EMBEDDING_STEPS, Config, Features, feature_rows
from trainer.estimates import residual, separable, sequence
from trainer.estimates.layers import Size

EMBEDDING_PARAMETERS, EMBEDDING_MULTIPLY_ADDS = 328_128, 5_612_544
"""Of the frozen speech embedding in front of a model; the work is that of 80 ms of a stream."""


def fft_size(features: Features) -> int:
    """Samples of a frame, filled up to a power of two."""
    return 1 << (features.frame_ms * SAMPLE_RATE // 1000 - 1).bit_length()


def column_seconds(config: Config) -> float:
    """From one column of the features to the next."""
    return EMBEDDING_STEP_SECONDS if config.features.kind == "speech_embedding" else config.features.hop_ms / 1000


def frames(config: Config) -> int:
    """Columns of the features of one window."""
    if config.features.kind == "speech_embedding":
        return EMBEDDING_STEPS
    samples = round(config.data.window_seconds * SAMPLE_RATE)
    return 1 + (samples - fft_size(config.features)) // (config.features.hop_ms * SAMPLE_RATE // 1000)


MODELS = {
    "tc_resnet": residual.tc_resnet,
    "bc_resnet": residual.bc_resnet,
    "resnet18": residual.resnet18,
    "mobilenet_v3_small": separable.mobilenet_v3_small,
    "tcn": sequence.tcn,
    "lstm": sequence.lstm,
    "gru": sequence.gru,
    "dense": sequence.dense_head,
    "conv_attention": sequence.conv_attention,
}


def size(config: Config) -> Size:
    """The size of the model that `config` names."""
    return MODELS[config.model.name](feature_rows(config.features), config.model.width, frames(config))
