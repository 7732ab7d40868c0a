"""A MixedNet as microWakeWord's client runs it gives what the trained network gives, whatever its shape."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch

from tests.clients import scores_of
from trainer.engine.export import tflite_streaming
from trainer.engine.models.mixednet import MixedNet, streaming_layers

BANDS, STRIDE = 40, 3
FRAMES, WORD = 1200, 40
STEPS, BATCH = 40, 32
MOST_FEATURE = 26.0
ALLOWED = {
    "ADD", "ASSIGN_VARIABLE", "AVERAGE_POOL_2D", "CALL_ONCE", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PACK", "PAD", "QUANTIZE", "READ_VARIABLE", "RESHAPE",
    "SPLIT_V", "STRIDED_SLICE", "VAR_HANDLE",
}  # fmt: skip
"""The operations that ESPHome registers."""


def speech_like(seed: int, frames: int = FRAMES) -> np.ndarray:
    """Features [frames, bands] that change about as fast as those of speech do."""
    rng = np.random.default_rng(seed)
    shapes = np.repeat(rng.uniform(0, MOST_FEATURE, (frames // 12 + 1, BANDS)), 12, axis=0)[:frames]
    loudness = np.repeat(rng.uniform(0, 1, frames // 40 + 1), 40)[:frames, None]
    noise = rng.uniform(0, 1, (frames, BANDS))
    return np.clip(shapes * loudness + noise, 0, MOST_FEATURE).astype(np.float32)


def with_words(features: np.ndarray, ends: Iterable[int]) -> np.ndarray:
    """The features with the same word before each of these frames."""
    word = speech_like(99, WORD)
    found = features.copy()
    for end in ends:
        found[end - WORD : end] = 0.7 * word + 0.3 * found[end - WORD : end]
    return found


def network_of(window: int, width: float = 1.0) -> MixedNet:
    """A network that has learned that word a little."""
    torch.manual_seed(0)
    network = MixedNet(BANDS, window, width, dropout=0.0)
    optimizer, rng = torch.optim.Adam(network.parameters(), 3e-3), np.random.default_rng(0)
    for step in range(STEPS):
        parts = [speech_like(1000 * step + n + 1, window) for n in range(BATCH)]
        parts[::2] = [with_words(part, [window - rng.integers(6)]) for part in parts[::2]]
        logits = network(torch.from_numpy(np.stack(parts)).transpose(1, 2))
        target = torch.arange(1, BATCH + 1).remainder(2).float()
        optimizer.zero_grad()
        torch.autograd.backward(torch.nn.functional.binary_cross_entropy_with_logits(logits, target))
        optimizer.step()
    return network.eval()


@torch.no_grad()
def logits_of(network: MixedNet, features: np.ndarray) -> np.ndarray:
    """The logit of the window that ends with each frame, from the first whole window on."""
    windows = torch.from_numpy(features.T).unfold(1, network.frames, 1).permute(1, 0, 2)
    return network(windows).numpy()


@pytest.mark.parametrize(("window", "width"), [(194, 1.0), (148, 0.5), (98, 2.0)])
def test_the_client_scores_a_stream_as_the_network_does(tmp_path, window: int, width: float):
    network = network_of(window, width)
    calibration = np.stack([with_words(speech_like(seed, 400), [300]) for seed in range(1, 17)])
    path = tmp_path / "word.tflite"
    path.write_bytes(tflite_streaming.of_layers(streaming_layers(network), calibration))
    features = with_words(speech_like(0), range(250, FRAMES, 100))
    theirs = scores_of("pymicro", path, features)
    ends = STRIDE * np.arange(1, len(theirs) + 1) - network.frames  # a step ends with its newest frame
    whole = ends >= 0
    theirs, ours = theirs[whole], 1 / (1 + np.exp(-logits_of(network, features)[ends[whole]]))
    assert len(ours) > 300 and ours.std() > 0.2, "the comparison would say little"
    assert np.corrcoef(theirs, ours)[0, 1] > 0.999
    assert np.corrcoef(theirs[1:], ours[:-1])[0, 1] < 0.99, "another alignment would be noticed"


def test_the_layers_compute_what_the_network_computes():
    network, features = MixedNet(BANDS, 194, 1.0, dropout=0.0).eval(), speech_like(0)
    logits = tflite_streaming.activations(streaming_layers(network), features[None].astype(np.float64))[-1][0, :, 0]
    assert np.abs(logits - logits_of(network, features)[::STRIDE]).max() < 1e-4
