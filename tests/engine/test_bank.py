"""Clips on a GPU are cut as the CPU cuts them; the same code runs here on the CPU."""

import numpy as np
import pytest
import torch

from tests.engine.arrays import array_of
from trainer.config.schema import Config
from trainer.engine.data import batches, sound_bank
from trainer.engine.data.batches import open_feed, training_batch
from trainer.engine.data.windows import Windows, epoch_windows, gather

SIZE = 4000


@pytest.fixture(scope="module")
def array():
    rng = np.random.default_rng(0)
    seconds = {"positive/a.wav": 1.0, "negative/b.wav": 0.2, "negative/c.wav": 3.0, "background/d.wav": 0.1,
               "background/e.wav": 2.0}  # fmt: skip
    return array_of({path: rng.uniform(-1, 1, round(16000 * length)) for path, length in seconds.items()})


def test_windows_that_reach_past_a_clip_are_silent_there(array):
    rng = np.random.default_rng(1)
    clip = rng.integers(0, len(array.clips), 200)
    start = rng.integers(-2 * SIZE, array.lengths[clip] + SIZE)
    windows = Windows(clip, start, np.zeros(200, bool))
    found = sound_bank.gather_spans(
        sound_bank.copy_to_device(array.samples, torch.device("cpu")),
        sound_bank.window_spans(array, windows, SIZE),
        SIZE,
    )
    expected = gather(array, windows, SIZE)
    assert found.dtype == torch.int16 and np.array_equal(found.numpy(), expected)
    assert not expected.any(axis=1).all() and (expected != 0).all(axis=1).any(), "all of it outside, and all inside"


def test_short_noise_is_repeated_and_what_is_not_heard_is_silent(array):
    rng = np.random.default_rng(2)
    places = sound_bank.noise_places(array, array.labelled("background"), 100, SIZE, rng)
    heard = rng.random(100) < 0.7
    found = sound_bank.gather_spans(
        sound_bank.copy_to_device(array.samples, torch.device("cpu")),
        sound_bank.noise_spans(array, places, heard, SIZE),
        SIZE,
    )
    assert np.array_equal(found.numpy(), sound_bank.cut_noise(array, places, heard, SIZE))


def test_a_batch_made_from_the_bank_has_the_same_bytes(array):
    device, config = torch.device("cpu"), Config()
    samples = sound_bank.copy_to_device(array.samples, device)
    plain, other = (open_feed(array, config, device, augmented=True, samples=each) for each in (None, samples))
    windows = epoch_windows(array, config, 1)
    for first, second in zip(training_batch(plain, windows, 1, 0), training_batch(other, windows, 1, 0), strict=True):
        assert torch.equal(first, second)
    pairs = zip(*(batches.plain_batches(feed, windows, 2) for feed in (plain, other)), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_large_arrays_are_copied_in_parts(monkeypatch):
    monkeypatch.setattr(sound_bank, "_COPIED_SAMPLES", 7)
    samples = np.arange(23, dtype=np.int16)
    samples.flags.writeable = False
    assert np.array_equal(sound_bank.copy_to_device(samples, torch.device("cpu")).numpy(), samples)


def test_a_cpu_reads_clips_where_they_are(array):
    assert sound_bank.open_bank(array, Config(), torch.device("cpu")) is None
