"""Batches: what is put together from clips, backgrounds and draws."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.engine.arrays import array_of, tone
from trainer.config.schema import Augmentation, Config
from trainer.engine.augmentation import effects
from trainer.engine.data import batches, sound_bank
from trainer.engine.data.windows import Windows, epoch_windows


@pytest.fixture(scope="module")
def feed() -> batches.Feed:
    waves = {f"positive/{i}.wav": tone(200 + i, 1.0) for i in range(8)}
    waves |= {"negative/a.wav": tone(500, 30.0), "background/b.wav": tone(90, 3.0), "rirs/c.wav": tone(5, 0.2)}
    return batches.open_feed(array_of(waves), Config(), torch.device("cpu"), augmented=True)


def test_without_augmentation_only_faint_dither_is_added(feed: batches.Feed):
    none = {name: 0.0 for name in Augmentation.model_fields if name.endswith("_probability")}
    config = Config.model_validate({"augmentation": {**none, "time_masks": 0, "frequency_masks": 0}})
    plain = dataclasses.replace(feed, config=config)
    windows = epoch_windows(feed.array, config, 1)
    heard = torch.cat(batches.augment_batch(plain, windows, 1, 0).waves)
    clean = feed.windows(windows, 24000)
    assert heard.shape == clean.shape and 0 < (heard - clean).square().mean().sqrt() < 0.002


def test_a_batch_is_a_function_of_seed_epoch_and_number_and_leaves_the_generator_of_the_model_alone(
    feed: batches.Feed, monkeypatch
):
    monkeypatch.setattr(batches, "CPU_WINDOWS", 16)
    windows = epoch_windows(feed.array, feed.config, 1)
    assert len(windows) > 17, "more than one part of a batch"
    before = torch.random.get_rng_state()
    first, labels = batches.training_batch(feed, windows, 1, 0)
    again, _ = batches.training_batch(feed, windows, 1, 0)
    other, _ = batches.training_batch(feed, windows, 1, 1)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert labels.sum() == windows.positive.sum()
    assert torch.equal(before, torch.random.get_rng_state())


def test_dropout_is_seeded_by_seed_epoch_and_batch():
    def drop(*of: int) -> torch.Tensor:
        batches.seed_dropout(Config(), *of)
        return torch.rand(4)

    assert torch.equal(drop(1, 2), drop(1, 2)) and not torch.equal(drop(1, 2), drop(2, 1))


def test_a_faster_window_is_filled_from_the_sound_before_it():
    options = Config.model_validate({"augmentation": {"speed_probability": 1.0, "speed_percent": 30.0}})
    feed = batches.open_feed(array_of({"negative/a.wav": tone(300, 6.0)}), options, torch.device("cpu"), augmented=True)
    windows = Windows(np.zeros(32, np.int64), np.full(32, 48000), np.zeros(32, bool))
    wave = torch.cat(batches.augment_batch(feed, windows, 1, 0).waves)
    assert (effects.power(wave[:, :800]) > 0.3 * effects.power(wave)).all()


def test_a_short_background_is_repeated_and_only_where_it_is_heard():
    array = array_of({"negative/a.wav": tone(500, 1.0), "background/hum.wav": tone(50, 1.0)})
    places = sound_bank.noise_places(array, array.labelled("background"), 3, 24000, np.random.default_rng(0))
    noise = sound_bank.cut_noise(array, places, np.array([True, False, True]), 24000)
    assert noise.shape == (3, 24000) and (noise[:, :8000] == noise[:, 16000:]).all()
    assert noise[0].any() and not noise[1].any() and (places[:, 0] == 1).all()
