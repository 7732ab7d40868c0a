"""What other programs hear in exported heads is what our detector hears, in those programs themselves."""

import numpy as np
import onnx
import pytest
import torch

from tests.clients import HOP, both, on_the_same_windows, scores_of
from tests.detectors import config_of, network_of, write
from trainer.audio import audio_file
from trainer.config.schema import EMBEDDING_MODELS
from trainer.detector import detector
from trainer.detector.detector_file import LARGEST_DIFFERENCE
from trainer.engine.export import graphs, tflite_heads
from trainer.synthesis import espeak
from trainer.synthesis.clip_sound import Utterance

SENTENCES = (
    "The quick brown fox jumps over the lazy dog", "She sells sea shells by the sea shore on Sunday",
    "Hey atlas, turn on the light in the kitchen", "How much wood would a woodchuck chuck",
)  # fmt: skip


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> np.ndarray:
    """Four sentences by different voices in a quiet room, int16 [samples]."""
    folder = tmp_path_factory.mktemp("speech")
    spoken = [
        Utterance(text, voice, 150, 50, 0, 0, -20, number, folder / f"{number}.wav")
        for number, (text, voice) in enumerate(zip(SENTENCES, ("en", "en-us", "en-gb-scotland", "en-us"), strict=True))
    ]
    espeak.speak(spoken, lambda done: None)
    wave = np.concatenate([audio_file.read_16k(each.path) for each in spoken])
    wave = wave + 1e-3 * np.random.default_rng(0).standard_normal(len(wave))
    return np.rint(32767 * np.clip(wave, -1, 1)).astype(np.int16)


@pytest.fixture(scope="module", params=EMBEDDING_MODELS)
def heads(request, tmp_path_factory):
    """A trained head as both files, and its detector."""
    torch.set_num_threads(1)
    config, folder = config_of(request.param, "speech_embedding"), tmp_path_factory.mktemp(request.param)
    network = network_of(config)
    (folder / "my_word.tflite").write_bytes(tflite_heads.of_network(network))
    onnx.save(graphs.openwakeword_graph(config, network), folder / "my_word.onnx")
    return folder, detector.load(write(folder / "model", config, network))


@pytest.mark.parametrize(("client", "name"), [("pyopen", "my_word.tflite"), ("openwakeword", "my_word.onnx")])
def test_a_head_gives_our_scores_in_the_program_that_loads_it(heads, speech, client: str, name: str):
    folder, ours = heads
    theirs, own = both(client, folder / name, ours, speech)
    assert len(theirs) == len(own) > len(speech) // HOP - 50
    assert np.mean((own > 0.05) & (own < 0.95)) > 0.3 and own.std() > 0.05, "the comparison would say little"
    assert np.abs(theirs - own).max() < LARGEST_DIFFERENCE
    assert np.abs(theirs[1:] - own[:-1]).max() > 0.05, "another alignment would be noticed"


def test_home_assistant_s_client_scores_any_sound_as_the_head_does(heads, speech):
    """Also speech beside digital silence, of which it computes other embeddings than openWakeWord does."""
    folder, _ = heads
    loud = np.concatenate([speech[:48_000], np.zeros(24_000, np.int16), 4 * (speech[48_000:80_000] // 4), speech // 64])
    theirs = scores_of("pyopen", folder / "my_word.tflite", loud)
    theirs, own = on_the_same_windows(theirs, folder / "my_word.onnx", loud)
    assert len(own) > len(loud) // HOP - 60 and own.std() > 0.05
    assert np.abs(theirs - own).max() < LARGEST_DIFFERENCE


def test_features_that_a_training_standardises_are_folded_into_the_head(tmp_path, speech):
    config = config_of("conv_attention", "speech_embedding", normalisation="data_set")
    network = network_of(config)
    network.get_buffer("mean").uniform_(-2, 2)
    network.get_buffer("deviation").uniform_(0.5, 2)
    (tmp_path / "my_word.tflite").write_bytes(tflite_heads.of_network(network))
    ours = detector.load(write(tmp_path / "model", config, network))
    theirs, own = both("pyopen", tmp_path / "my_word.tflite", ours, speech)
    assert np.abs(theirs - own).max() < LARGEST_DIFFERENCE and own.std() > 0.02


def test_the_weights_of_a_head_are_constants_in_its_file(heads):
    graph = onnx.load(heads[0] / "my_word.onnx").graph
    stored = {each.name for each in graph.initializer}
    weights = {"GRU": 4, "LSTM": 4, "Gemm": 3, "Conv": 3}
    layers = [node for node in graph.node if node.op_type in weights]
    assert layers and all(set(node.input[1 : weights[node.op_type]]) <= stored for node in layers)


def test_another_network_is_no_head():
    with pytest.raises(TypeError, match="is no head on speech embeddings"):
        tflite_heads.of_network(network_of(config_of("tcn", hop_ms=12)))
