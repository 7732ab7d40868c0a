"""Augmentation does what it says, batched as one by one."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.arrays import array_of, tone
from trainer.config.schema import Augmentation
from trainer.engine.augmentation import augment, effects
from trainer.engine.augmentation.augment import NO_ROOM, Draws, draw
from trainer.engine.data import sound_bank

SIZE = 8000
MOST = settings(max_examples=40)
SEEDS = st.integers(0, 2**32 - 1)
SHAPE = (40, 50)
STRONGEST = Augmentation(
    gain_db=30.0, speed_probability=1.0, speed_percent=30.0, background_probability=1.0, backgrounds_most=3,
    snr_low_db=-10.0, rir_probability=1.0, colour_probability=1.0, colour_slope_low=-3.0, colour_slope_high=3.0,
    band_probability=1.0, clip_probability=1.0, clip_db=30.0, mixup_probability=1.0,
)  # fmt: skip
ON = {name: 0.5 for name in Augmentation.model_fields if name.endswith("_probability")}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def white(count: int, size: int = SIZE, seed: int = 1) -> torch.Tensor:
    return 0.1 * torch.randn(count, size, generator=generator(seed))


def drawn(options: Augmentation, count: int, seed: int, rooms: int = 3) -> Draws:
    return draw(np.random.default_rng(seed), count, options, 10, SHAPE, rooms, noisy=True)


def decibels(power: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(power)


def waves() -> st.SearchStrategy[torch.Tensor]:
    """Silence, full scale, an impulse of one sample, noise of any level: [3, SIZE]."""
    click = torch.zeros(3, SIZE)
    click[:, SIZE // 2] = 1.0
    square = torch.ones(3, SIZE)
    square[:, ::2] = -1.0
    noise = st.builds(lambda seed, level: (level * white(3, seed=seed)).clamp(-1, 1), SEEDS, st.floats(1e-5, 30))
    return st.one_of(st.sampled_from([torch.zeros(3, SIZE), click, square, torch.ones(3, SIZE)]), noise)


WHITE = 10 * white(1, 3 * SIZE)[0]
RIRS = white(3, 2000, seed=3) * torch.exp(-torch.arange(2000) / 300)


@MOST
@given(waves(), SEEDS)
def test_length_level_and_finiteness_hold_under_the_strongest_options(wave: torch.Tensor, seed: int):
    for options in (STRONGEST, Augmentation(**ON)):
        source = torch.nn.functional.pad(wave, (effects.source_samples(options, SIZE) - SIZE, 0))
        noise = white(3, seed=seed)
        noise[0] = 0  # a background may be silent
        out = augment.augment_wave(source, noise, RIRS, WHITE, drawn(options, 3, seed), SIZE, generator(seed))
        assert out.shape == wave.shape and out.isfinite().all() and out.abs().max() <= 1


@MOST
@given(SEEDS, st.floats(-10, 60), st.floats(1e-4, 1.0))
def test_the_snr_is_met_within_a_tenth_of_a_decibel(seed: int, snr_db: float, level: float):
    wave, noise = white(2, seed=seed), level * white(2, seed=seed + 1)
    draws = drawn(Augmentation(), 2, seed)
    draws = dataclasses.replace(draws, noises=np.ones(2, np.int64), noise_snr_db=np.full(2, snr_db))
    added = augment._add_noise(wave.double(), noise.double(), draws, generator()) - wave
    assert (decibels(effects.active_power(wave) / effects.power(added)) - snr_db).abs().max() < 0.1


@MOST
@given(SEEDS, st.floats(-10, 60), st.floats(-3, 3))
def test_coloured_noise_meets_its_snr_and_its_slope(seed: int, snr_db: float, slope: float):
    wave, draws = white(2, seed=seed).double(), drawn(Augmentation(), 2, seed)
    draws = dataclasses.replace(draws, colour_snr_db=np.full(2, snr_db), colour_slope=np.full(2, slope))
    added = augment._add_noise(wave, None, draws, generator(seed)) - wave
    assert (decibels(effects.active_power(wave) / effects.power(added)) - snr_db).abs().max() < 0.1
    spectrum = torch.fft.rfft(added).abs().square().mean(0)
    low, high = spectrum[300:600].mean(), spectrum[2400:3600].mean()
    wanted = (torch.arange(2400, 3600.0) ** slope).mean() / (torch.arange(300, 600.0) ** slope).mean()
    assert abs(decibels(high / low) - decibels(wanted)) < 1.5


def test_silence_around_a_word_does_not_make_it_quieter():
    word = torch.from_numpy(tone(300, 0.5).astype(np.float32))
    padded = torch.nn.functional.pad(word, (8000, 8000))[None]
    assert torch.allclose(effects.active_power(padded), effects.active_power(word[None]), rtol=0.05)


@MOST
@given(SEEDS, st.floats(0.01, 1.0), st.integers(1, 3000))
def test_a_delta_changes_nothing(seed: int, height: float, taps: int):
    delta, wave = torch.zeros(2, taps), white(2, seed=seed)
    delta[:, 0] = height
    assert torch.allclose(effects.reverberate(wave, delta), wave, atol=1e-5)


def test_a_late_tap_delays():
    late, wave = torch.zeros(2, 300), white(2)
    late[:, 100] = 1.0
    moved = effects.reverberate(wave, late)
    level = (wave.square().sum(1) / wave[:, :-100].square().sum(1)).sqrt()[:, None]
    kept = level * wave[:, :-100]
    assert torch.allclose(moved[:, 100:], kept, atol=1e-4) and moved[:, :100].abs().max() < 1e-4


@pytest.mark.parametrize("least", [1, 7, 1001, 24000, 39999, 65537])
def test_an_fft_is_of_a_quick_even_length(least: int):
    length = effects.fft_length(least)
    assert least <= length <= 1.1 * least + 1 and length % 2 == 0
    assert max(factor for factor in range(1, length + 1) if length % factor == 0 and is_prime(factor)) <= 5


def is_prime(number: int) -> bool:
    return number > 1 and all(number % factor for factor in range(2, int(number**0.5) + 1))


@MOST
@given(SEEDS, st.floats(0, 30))
def test_gain_stays_in_its_range(seed: int, most_db: float):
    draws, many = drawn(Augmentation(gain_db=most_db), 200, seed), white(1).repeat(200, 1)
    change = decibels(
        effects.power(effects.gain(many, augment.to_tensor(draws.gain_db, many.device))) / effects.power(many)
    )
    assert change.abs().max() <= most_db + 0.01 and change.abs().max() >= 0.9 * most_db - 0.01


@MOST
@given(waves(), st.floats(0, 30))
def test_clipping_never_raises_and_cuts_where_it_should(wave: torch.Tensor, below_db: float):
    out = effects.clip(wave, torch.full((3,), below_db))
    assert (out.abs() <= wave.abs()).all() and (out * wave >= 0).all()
    assert torch.allclose(out.abs().amax(1), wave.abs().amax(1) * 10 ** (-below_db / 20))


def test_a_band_keeps_what_lies_inside_and_cuts_the_rest_without_moving_it():
    inside, below, above = (torch.from_numpy(tone(hertz, 0.5).astype(np.float32)) for hertz in (1000, 100, 7000))
    limited = effects.limit_band(torch.stack([inside, below, above]), torch.tensor([[300.0, 3400.0]] * 3))
    assert (limited[0] - inside)[800:-800].abs().max() < 0.01
    assert (decibels(effects.power(limited[1:])) < decibels(effects.power(below[None])) - 20).all()


@pytest.mark.parametrize("rate", [0.8, 1.0, 1.25])
def test_a_tone_is_played_faster_and_its_end_stays(rate: float):
    time = torch.arange(-SIZE + 1, 1) / 16000  # the last sample is time 0
    out = effects.resample(torch.sin(2 * torch.pi * 440 * time)[None], torch.tensor([rate]), SIZE)[0]
    heard = (rate * time)[-4000:]
    assert (out[-4000:] - torch.sin(2 * torch.pi * 440 * heard)).abs().max() < 0.02
    assert (out[: max(0, SIZE - int(SIZE / rate) - 1)] == 0).all(), "what lies before the source is silence"


def test_masks_blank_at_most_what_they_may_and_only_that():
    options = Augmentation(time_masks=2, frequency_masks=0)
    features = torch.randn(200, *SHAPE, generator=generator())
    draws = drawn(options, 200, 0)
    masked, _ = augment.augment_features(features, torch.zeros(200), draws)
    mean = features.mean((1, 2), keepdim=True)
    blank = (masked == mean).all(1)
    assert 10 < blank.sum(1).max() <= 20
    assert torch.equal(torch.where(blank[:, None], features, masked), features)


@MOST
@given(SEEDS)
def test_labels_are_kept_or_blended_as_their_windows_are(seed: int):
    features, positive = torch.randn(16, *SHAPE), (torch.rand(16) < 0.5).float()
    plain = Augmentation(time_masks=0, frequency_masks=0)
    kept = augment.augment_features(features, positive, drawn(plain, 16, seed))
    assert torch.equal(kept[0], features) and torch.equal(kept[1], positive)
    draws = drawn(plain.model_copy(update={"mixup_probability": 0.5}), 16, seed)
    mixed, label = augment.augment_features(features, positive, draws)
    share, partner = torch.from_numpy(draws.share).float(), draws.partner
    assert torch.allclose(label, share * positive + (1 - share) * positive[partner])
    assert torch.allclose(mixed, share[:, None, None] * features + (1 - share)[:, None, None] * features[partner])
    assert ((label == positive) | (share < 1)).all() and label.min() >= 0 and label.max() <= 1
    same = positive == positive[partner]
    assert torch.allclose(label[same], positive[same]), "two of a kind are of that kind"


@MOST
@given(SEEDS)
def test_batched_equals_one_by_one(seed: int):
    options = Augmentation(**ON | {"colour_probability": 0.0})
    longer = effects.source_samples(options, SIZE)
    source, noise, draws = white(6, longer, seed), white(6, seed=seed + 1), drawn(options, 6, seed)
    whole = augment.augment_wave(source.clone(), noise, RIRS, WHITE, draws, SIZE, generator())
    for row in range(6):
        one = slice(row, row + 1)
        alone = augment.augment_wave(source[one].clone(), noise[one], RIRS, WHITE, draws.take(one), SIZE, generator())
        assert torch.allclose(whole[one], alone, atol=1e-5)


@MOST
@given(SEEDS, st.sampled_from(sorted(ON)))
def test_switching_one_effect_on_leaves_the_draws_of_the_others(seed: int, name: str):
    off, on = (drawn(Augmentation(**{name: value}), 20, seed) for value in (0.0, 1.0))
    differing = [
        field.name for field in dataclasses.fields(Draws)
        if not np.array_equal(getattr(off, field.name), getattr(on, field.name))
    ]  # fmt: skip
    assert len(differing) == 1, differing


def test_each_effect_meets_the_part_of_the_windows_that_was_asked_for():
    draws = drawn(Augmentation(**ON), 4000, 0)
    parts = {
        "speed": draws.speed != 1, "gain": draws.gain_db != 0, "room": draws.room != NO_ROOM, "noise": draws.noises > 0,
        "colour": np.isfinite(draws.colour_snr_db), "band": draws.band_hz[:, 0] > 0, "clip": draws.clip_db > 0,
        "mixup": draws.share < 1,
    }  # fmt: skip
    assert {name: round(float(part.mean()), 1) for name, part in parts.items()} == dict.fromkeys(parts, 0.5)
    assert set(draws.room[draws.room != NO_ROOM]) == {0, 1, 2}


def test_several_backgrounds_are_equally_loud():
    loud, quiet = torch.from_numpy(np.stack([tone(1000, 0.5), 0.01 * tone(3000, 0.5)])).float().split(1)
    spectrum = torch.fft.rfft(augment.mix_noises([loud, quiet])[0]).abs()
    assert float(spectrum[500]) == pytest.approx(float(spectrum[1500]), rel=1e-3)


def test_the_direct_path_of_a_room_is_moved_to_time_zero():
    rir = np.zeros(4000)
    rir[500], rir[900] = 0.9, 0.3
    loaded = sound_bank.load_rirs(array_of({"rirs/a.wav": rir}), torch.device("cpu"))
    assert loaded is not None and loaded.shape[1] == 401 and loaded[0, 0] > loaded[0, 400] > 0.2


def test_a_mask_of_no_width_covers_nothing():
    assert effects._uncovered(torch.tensor([[[3, 0]], [[3, 2]]]), 6).tolist() == [
        [True] * 6,
        [True] * 3 + [False] * 2 + [True],
    ]
