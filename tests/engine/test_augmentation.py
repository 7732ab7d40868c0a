"""Augmentation does what it says, batched as one by one."""

import numpy as np
import pytest
import torch

from tests.engine.arrays import array_of, tone
from trainer.config import Augmentation, Config
from trainer.engine import augmentation, batches, rooms
from trainer.engine.windows import epoch_windows


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def wave() -> torch.Tensor:
    return 0.1 * torch.randn(4, 24000, generator=generator(1))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 30.0])
def test_the_snr_is_met_within_a_tenth_of_a_decibel(wave, snr_db: float):
    noise = torch.randn(4, 24000, generator=generator(2))
    added = augmentation.mix_at_snr(wave, noise, torch.full((4,), snr_db)) - wave
    met = 10 * torch.log10(augmentation.active_power(wave) / added.square().mean(1))
    assert (met - snr_db).abs().max() < 0.1


def test_silence_around_a_word_does_not_make_it_quieter():
    word = torch.from_numpy(tone(300, 0.5).astype(np.float32))
    padded = torch.nn.functional.pad(word, (8000, 8000))[None]
    assert torch.allclose(augmentation.active_power(padded), augmentation.active_power(word[None]), rtol=0.05)


def test_a_delta_changes_nothing_and_a_late_one_delays(wave):
    delta = torch.zeros(4, 300)
    delta[:, 0] = 0.5
    assert torch.allclose(augmentation.reverberate(wave, delta), wave, atol=1e-5)
    late = torch.zeros(4, 300)
    late[:, 100] = 1.0
    moved = augmentation.reverberate(wave, late)
    level = (wave.square().sum(1) / wave[:, :-100].square().sum(1)).sqrt()[:, None]
    assert torch.allclose(moved[:, 100:], level * wave[:, :-100], atol=1e-4) and moved[:, :100].abs().max() < 1e-4


def test_gain_stays_in_its_range(wave):
    many = wave[:1].repeat(500, 1)
    change = 20 * torch.log10(augmentation.gain(many, 6.0, generator()).abs().amax(1) / many.abs().amax(1))
    assert change.abs().max() <= 6.001 and change.min() < -5 and change.max() > 5


def test_masks_blank_at_most_what_they_may_and_only_that():
    ones = torch.ones(200, 40, 100)
    masked = augmentation.mask(ones, 2, 2, 10, generator())
    blank = (masked == 0).all(1).sum(1)
    assert blank.max() <= 20 and blank.max() > 10 and (masked.sum((1, 2)) == 40 * (100 - blank)).all()
    assert (augmentation.mask(ones, 1, 0, 10, generator()) == 1).all()


def test_length_level_and_finiteness_hold_under_the_strongest_options(wave):
    options = Augmentation(gain_db=30.0, background_probability=1.0, snr_low_db=-10.0, rir_probability=1.0)
    rirs = torch.randn(3, 8000, generator=generator(3)) * torch.exp(-torch.arange(8000) / 1000)
    noise = torch.randn(4, 24000, generator=generator(4))
    for loud in (wave, 10 * wave, torch.zeros_like(wave)):
        out = augmentation.augment_wave(loud, noise, rirs, options, generator())
        assert out.shape == wave.shape and out.isfinite().all() and out.abs().max() <= 1


def test_a_batch_in_which_no_window_gets_a_room_is_a_batch_like_any_other(wave):
    rirs, options = torch.randn(3, 8000, generator=generator(3)), Augmentation(rir_probability=0.01)
    for seed in range(20):
        assert augmentation.augment_wave(wave[:1], None, rirs, options, generator(seed)).shape == (1, 24000)


def test_without_augmentation_only_faint_dither_is_added(wave):
    off = Augmentation(gain_db=0.0, background_probability=0.0, rir_probability=0.0)
    out = augmentation.augment_wave(wave, None, None, off, generator())
    assert 0 < (out - wave).square().mean().sqrt() < 0.002


def test_the_direct_path_of_a_room_is_moved_to_time_zero():
    rir = np.zeros(4000)
    rir[500], rir[900] = 0.9, 0.3
    loaded = rooms.load(array_of({"rirs/a.wav": rir}), torch.device("cpu"))
    assert loaded is not None and loaded.shape[1] == 401 and loaded[0, 0] > loaded[0, 400] > 0.2


def test_a_batch_is_a_function_of_seed_epoch_and_number():
    waves = {f"positive/{i}.wav": tone(200 + i, 1.0) for i in range(4)}
    waves |= {"negative/a.wav": tone(500, 9.0), "background/b.wav": tone(90, 3.0), "rirs/c.wav": tone(5, 0.2)}
    feed = batches.open_feed(array_of(waves), Config(), torch.device("cpu"), augmented=True)
    windows = epoch_windows(feed.array, feed.config, 1)
    torch.manual_seed(5)
    first, labels = batches.training_batch(feed, windows, 1, 0)
    again, _ = batches.training_batch(feed, windows, 1, 0)
    other, _ = batches.training_batch(feed, windows, 1, 1)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert labels.sum() == windows.positive.sum()
