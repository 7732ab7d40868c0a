"""Sizes told before a model is built are those of the model that is built."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.features.features import FrontEnd
from trainer.engine.models import factory
from trainer.estimates import model_size

aten = torch.ops.aten

MOST = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
configs = st.builds(
    lambda name, width, bands, hop, seconds: config_file.build(
        {
            "model": {"name": name, "width": width},
            "features": {"mel_bands": bands, "hop_ms": hop},
            "data": {"window_seconds": seconds},
            "augmentation": {"shift_ms": 100},
        }
    ),
    st.sampled_from(list(model_size.MODELS)), st.floats(0.25, 1.5), st.integers(16, 80), st.integers(5, 25),
    st.floats(0.5, 2.0),
)  # fmt: skip


def lstm_flops(inputs: tuple, to_gates: tuple, to_gates_again: tuple, *_: object, **__: object) -> int:
    """Of oneDNN's layer, which the counter does not know: two matrices are applied to each frame of each window."""
    frames, count, _ = inputs
    return 2 * frames * count * (math.prod(to_gates) + math.prod(to_gates_again))


def attention_flops(query: tuple, *_: object, **__: object) -> int:
    """Of the CPU's kernel, which the counter does not know: queries by keys, and their weights by values."""
    count, heads, frames, channels = query
    return 2 * 2 * count * heads * frames * frames * channels


NOT_COUNTED = {
    aten.mkldnn_rnn_layer: lstm_flops,
    aten._scaled_dot_product_flash_attention_for_cpu: attention_flops,
}


def spectrogram(config: Config, count: int) -> torch.Tensor:
    samples = round(config.data.window_seconds * 16000)
    return FrontEnd(config.features)(torch.randn(count, samples))


def kept_bytes(model: nn.Module, features: torch.Tensor) -> int:
    """What autograd keeps for the backward pass, each piece of memory counted once, weights not."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    found: dict[int, int] = {}
    held = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        held.append(tensor)  # memory that is given back could be counted twice under one address
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        model(features)
    return sum(found.values())


@MOST
@given(configs)
def test_parameters_and_multiply_adds_are_exact(config: Config):
    model, expected = factory.build(config).eval(), model_size.size(config)
    features = spectrogram(config, 1)
    assert features.shape == (1, config.features.mel_bands, model_size.frames(config))
    with FlopCounterMode(display=False, custom_mapping=NOT_COUNTED) as counter, torch.no_grad():
        model(features)
    assert expected.parameters == factory.count_parameters(model)
    assert 2 * expected.multiply_adds == counter.get_total_flops()


@MOST
@given(configs)
def test_what_a_step_keeps_is_told_within_five_percent(config: Config):
    model, features = factory.build(config), spectrogram(config, 8)
    model.train()
    kept = kept_bytes(model, features) / 8
    assert abs(4 * model_size.size(config).kept / kept - 1) < 0.05, (kept / 4, model_size.size(config))


@pytest.mark.parametrize("name", model_size.MODELS)
def test_layouts_that_change_with_the_width_are_told_too(name: str):
    for width in (2.0, 4.0):
        model = {"name": name, "width": width}
        config = config_file.build({"model": model, "features": {"mel_bands": 96, "hop_ms": 25}})
        assert model_size.size(config).parameters == factory.count_parameters(factory.build(config)), width
