"""Every model has the size of its paper, gives one logit a window, learns, and can be exported."""

import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.features.features import FrontEnd
from trainer.engine.models import factory
from trainer.engine.models.mixednet import MixedNet, StreamingLayer, streaming_layers
from trainer.engine.models.sequential import DenseHead, SelfAttention
from trainer.estimates import model_size

NAMES = list(model_size.MODELS)


def config_of(name: str, width: float = 1.0, bands: int = 40, seconds: float = 1.5) -> Config:
    return config_file.build(
        {
            "model": {"name": name, "width": width},
            "features": {"mel_bands": bands},
            "data": {"window_seconds": seconds},
            "augmentation": {"shift_ms": 100},
        }
    )


def build_and_settle(name: str, features: torch.Tensor, seconds: float) -> nn.Module:
    """A narrow model in evaluation mode whose running means are those of `features`, not their first values."""
    torch.manual_seed(0)
    model = factory.build(config_of(name, 0.5, features.shape[1], seconds))
    for _ in range(20):
        model(features)
    return model.eval()


def with_classes(model: nn.Module, classes: int) -> int:
    """Parameters that the model would have with a last layer for so many classes instead of one logit."""
    last = [layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d)][-1]
    return factory.count_parameters(model) + (classes - 1) * (last.weight[0].numel() + 1)


@pytest.mark.parametrize(
    ("name", "width", "bands", "classes", "stated"),
    [
        # Choi et al., table 1; Kim et al., table 2; both on 12 classes of Speech Commands.
        ("tc_resnet", 1, 40, 12, 66e3), ("tc_resnet", 1.5, 40, 12, 145e3),
        ("bc_resnet", 1, 40, 12, 9.2e3), ("bc_resnet", 2, 40, 12, 27.3e3), ("bc_resnet", 3, 40, 12, 54.2e3),
        ("bc_resnet", 6, 40, 12, 188e3), ("bc_resnet", 8, 40, 12, 321e3),
        # He et al. and Howard et al. (table 4) on 1,000 classes of pictures in three colours, where ours has one.
        ("resnet18", 1, 40, 1000, 11.7e6), ("mobilenet_v3_small", 1, 40, 1000, 2.54e6),
        # WeKws, its table of backbones, two words.
        ("tcn", 1, 40, 2, 134e3),
        # Zhang et al., table 4: S, M and L with 10 MFCC and 12 classes, in bytes of 8-bit weights and few activations.
        ("lstm", 1, 10, 12, 63.3e3), ("lstm", 1.8136, 10, 12, 196.5e3), ("lstm", 2.9153, 10, 12, 494.5e3),
        ("gru", 1, 10, 12, 78.8e3), ("gru", 1.6234, 10, 12, 200.0e3), ("gru", 2.5974, 10, 12, 502.6e3),
    ],
)  # fmt: skip
def test_the_size_is_that_of_the_paper(name: str, width: float, bands: int, classes: int, stated: float):
    model = factory.OF_ANY_LENGTH[name](bands, width, 0.0)
    assert with_classes(model, classes) == pytest.approx(stated, rel=0.02)


def test_attention_is_that_of_torch():
    theirs, ours = nn.MultiheadAttention(32, 4, batch_first=True), SelfAttention(32, 4)
    ours.enter.load_state_dict({"weight": theirs.in_proj_weight, "bias": theirs.in_proj_bias})
    ours.leave.load_state_dict(theirs.out_proj.state_dict())
    x = torch.randn(2, 9, 32)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])


def test_heads_of_embeddings_are_as_large_as_their_models():
    """openWakeWord's network has 128 units behind 16 frames of 96 numbers; ours of convolutions has about 20,000."""
    layers = (16 * 96 + 1) * 128 + (128 + 1) * 128 + 2 * 2 * 128 + 128 + 1
    assert factory.count_parameters(DenseHead(96, 16, 1.0, 0.0)) == layers
    assert factory.count_parameters(factory.OF_ANY_LENGTH["conv_attention"](96, 1.0, 0.0)) == pytest.approx(
        20e3, rel=0.02
    )


def test_dense_reads_frame_after_frame():
    """As openWakeWord does, so that weights can be exchanged."""
    head, features = DenseHead(96, 16, 0.25, 0.0).eval(), torch.randn(2, 96, 16)
    frames_first = features.transpose(1, 2).reshape(2, 16 * 96)
    torch.testing.assert_close(head(features), head.layers(frames_first)[:, 0])


def stepped(layers: list[StreamingLayer], frames: np.ndarray) -> np.ndarray:
    """Logits [n] of a stream of frames [frames, bands], a step at a time as a microcontroller computes them: each layer
    remembers only the latest inputs that its kernel spans."""
    rings, logits = [np.zeros((0, layer.weight.shape[2])) for layer in layers], []
    for first in range(0, len(frames) - 2, 3):
        new = frames[first : first + 3]
        for index, layer in enumerate(layers):
            ring = rings[index] = np.concatenate([rings[index].reshape(-1, new.shape[1]), new])[-layer.kernel :]
            if len(ring) < layer.kernel:
                break
            if layer.kind == "depthwise":
                new = (layer.weight[:, :, 0].T * ring).sum(0, keepdims=True) + layer.bias
            else:
                new = np.einsum("oki,ki->o", layer.weight, ring)[None] + layer.bias
            new = np.maximum(new, 0) if layer.relu else new
        else:
            logits.append(new[0, 0])
    return np.array(logits)


@pytest.mark.parametrize(("normalisation", "seconds"), [("none", 1.5), ("data_set", 2.0), ("none", 0.5)])
def test_a_mixednet_computed_step_by_step_says_the_same(normalisation: str, seconds: float):
    torch.manual_seed(0)
    config = config_file.build(
        {
            "model": {"name": "mixednet"}, "data": {"window_seconds": seconds}, "augmentation": {"shift_ms": 100},
            "features": {"normalisation": normalisation},
        }
    )  # fmt: skip
    model, size = factory.build(config), model_size.frames(config)
    stream = 3 + 4 * torch.randn(40, size + 31)
    if normalisation == "data_set":
        model.measure([stream[None]])
    for _ in range(5):
        model(stream.unfold(1, size, 1).transpose(0, 1))
    model.eval()
    heard = stepped(streaming_layers(model), stream.T.double().numpy())
    ends = range(2, stream.shape[1], 3)  # a step ends with every third frame
    whole = [model(stream[None, :, end + 1 - size : end + 1]).item() for end in ends if end + 1 >= size]
    assert len(whole) >= 10
    np.testing.assert_allclose(heard[-len(whole) :], whole, atol=1e-4)


def test_a_mixednet_is_as_large_as_hey_jarvis():
    """22,321 parameters in the file that microWakeWord ships, which has no mixed kernels; five steps at the end."""
    assert factory.count_parameters(MixedNet(40, 149, 1.0, 0.0)) == pytest.approx(22_321, rel=0.05)
    assert MixedNet(40, 149, 1.0, 0.0).steps == 5


def test_other_models_have_no_streaming_layers():
    with pytest.raises(TypeError, match="TcResNet8 is no MixedNet"):
        streaming_layers(factory.build(config_of("tc_resnet")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("bands", "seconds"), [(16, 0.5), (40, 1.5), (81, 2.0)])
def test_one_logit_a_window_whatever_its_shape(name: str, bands: int, seconds: float):
    config = config_of(name, 0.5, bands, seconds)
    features = FrontEnd(config.features)(torch.randn(3, round(16000 * seconds)))
    assert features.shape == (3, bands, model_size.frames(config))
    model = factory.build(config).eval()
    logit = model(features)
    assert logit.shape == (3,)
    torch.testing.assert_close(model(features[:1]), logit[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", list(factory.OF_ANY_LENGTH))
def test_a_head_for_16_embeddings_or_a_longer_window_is_the_same_network(name: str):
    model = factory.OF_ANY_LENGTH[name](96, 0.25, 0.0).eval()
    assert model(torch.randn(2, 96, 16)).shape == model(torch.randn(2, 96, 25)).shape == (2,)


@pytest.mark.parametrize("name", NAMES)
def test_the_layout_in_memory_and_half_precision_change_little(name: str):
    features = torch.randn(8, 20, 47)
    model = build_and_settle(name, features, 0.5)
    expected = model(features)
    torch.testing.assert_close(model.to(memory_format=torch.channels_last)(features), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        logit = model.train()(features)
        loss = nn.functional.binary_cross_entropy_with_logits(logit.float(), torch.ones(8))
    torch.autograd.backward(loss)
    assert all(weights.grad is not None and weights.grad.isfinite().all() for weights in model.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert (model.eval()(features).float() - expected).abs().max() < 0.05 * expected.abs().max() + 0.02


@pytest.mark.parametrize("name", NAMES)
def test_what_is_exported_says_the_same(name: str, tmp_path):
    """By the older of torch's two exporters: the newer one needs onnxscript, which is not installed."""
    features = torch.randn(4, 40, 47)
    model, file = build_and_settle(name, features, 0.5), tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its own age
        torch.onnx.export(
            model, (features,), file, dynamo=False, input_names=["features"], dynamic_axes={"features": {0: "windows"}}
        )
    session = onnxruntime.InferenceSession(file)
    for heard in (features, features[:1], torch.randn(7, 40, 47)):
        (logit,) = session.run(None, {"features": heard.numpy()})
        assert np.abs(logit - model(heard).detach().numpy()).max() < 1e-4


def two_sounds(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Waves [count, 8000] and labels [count]: a tone near 400 or 900 Hz in noise, of any level and at any place."""
    label = torch.arange(count) % 2
    hertz = (400.0 + 500.0 * label) * (0.9 + 0.2 * torch.rand(count))
    time = torch.arange(8000) / 16000
    start, level = 0.2 * torch.rand(count), 10 ** (-1.5 * torch.rand(count))
    heard = (time > start[:, None]) & (time < start[:, None] + 0.25)
    wave = torch.sin(2 * torch.pi * hertz[:, None] * time) * heard + 0.1 * torch.randn(count, 8000)
    return level[:, None] * wave, label.float()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_learns_to_tell_two_sounds(name: str):
    torch.manual_seed(0)
    config = config_of(name, 0.5, 40, 0.5)
    wave, label = two_sounds(32)
    features, model = FrontEnd(config.features)(wave), factory.build(config)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        logit = model(features)
        torch.autograd.backward(nn.functional.binary_cross_entropy_with_logits(logit, label))
        optimizer.step()
    assert ((model(features) > 0) == (label > 0)).float().mean() > 0.95


def test_log_mel_shows_a_tone_in_its_band_at_any_level():
    features = FrontEnd(Config().features)
    time = torch.arange(24000) / 16000
    loud = features(0.5 * torch.sin(6.28 * 1000 * time)[None])
    quiet = features(0.05 * torch.sin(6.28 * 1000 * time)[None])
    assert loud.shape == (1, 40, 1 + (24000 - 512) // 160)
    assert loud.mean(2).argmax() == quiet.mean(2).argmax()
    low = features(0.5 * torch.sin(6.28 * 300 * time)[None])
    assert low.mean(2).argmax() < loud.mean(2).argmax()
