"""Features of every kind and normalisation."""

import pytest
import torch
import torchaudio

from tests.engine.arrays import array_of, tone
from trainer.config.schema import Config, Features, broken_rules, feature_rows
from trainer.engine.data import batches
from trainer.engine.features import features
from trainer.engine.features.features import FrontEnd
from trainer.engine.models import factory


@pytest.fixture(scope="module")
def wave() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (
        0.1
        * torch.randn(20, 24000, generator=generator)
        * torch.rand(20, 24000 // 800, generator=generator).repeat_interleave(800, 1)
    )


def log_mel_by_stft(wave: torch.Tensor, mean: bool) -> torch.Tensor:
    """As it was first written: torch's own STFT, then filters, logarithm and mean."""
    spectrum = torch.stft(wave, 512, 160, 400, torch.hann_window(400), center=False, return_complex=True)
    filters = torchaudio.functional.melscale_fbanks(257, 60, 7600, 40, 16000)
    found = torch.log(filters.T @ spectrum.abs().square() + 1e-6)
    return found - found.mean((1, 2), keepdim=True) if mean else found


def test_log_mel_is_that_of_the_stft(wave: torch.Tensor):
    assert torch.allclose(FrontEnd(Features())(wave), log_mel_by_stft(wave, mean=True), atol=1e-5)
    assert torch.allclose(FrontEnd(Features(normalisation="none"))(wave), log_mel_by_stft(wave, mean=False), atol=1e-5)


def test_mfcc_is_the_cosine_transform_of_log_mel(wave: torch.Tensor):
    found = FrontEnd(Features(kind="mfcc", mfcc_coefficients=20, normalisation="none"))(wave)
    cosines = torchaudio.functional.create_dct(20, 40, "ortho")
    assert torch.allclose(found, cosines.T @ log_mel_by_stft(wave, mean=False), atol=1e-4)
    assert torch.allclose(FrontEnd(Features(kind="mfcc"))(wave).mean(2), torch.zeros(20, 13), atol=1e-4)


def test_pcen_smooths_each_band_from_its_first_frame_on():
    mel = torch.rand(3, 60, 5, generator=torch.Generator().manual_seed(0))
    state, expected = mel[:, 0], []
    for frame in mel.unbind(1):
        state = (1 - 0.025) * state + 0.025 * frame
        expected.append((frame / (1e-6 + state) ** 0.98 + 2) ** 0.5 - 2**0.5)
    assert torch.allclose(features.pcen(mel.clone(), 0.025), torch.stack(expected, 1), atol=1e-5)


def test_pcen_takes_steady_level_out():
    front_end = FrontEnd(Features(kind="pcen", normalisation="none"))
    sound = torch.randn(1, 24000, generator=torch.Generator().manual_seed(0))
    quiet, loud = front_end(0.01 * sound), front_end(sound)
    assert (quiet - loud).abs().mean() < 0.2 * loud.mean(), "40 dB are all but gone"


@pytest.mark.parametrize("kind", ["log_mel", "mfcc", "pcen"])
@pytest.mark.parametrize("normalisation", ["mean", "window", "data_set", "none"])
def test_features_are_finite_and_have_the_rows_that_options_say(wave: torch.Tensor, kind: str, normalisation: str):
    options = Features(kind=kind, normalisation=normalisation)
    for sound in (wave, torch.zeros(2, 24000), torch.ones(2, 24000)):
        found = FrontEnd(options)(sound)
        assert found.shape == (len(sound), feature_rows(options), 147) and found.isfinite().all()
    if normalisation == "window":
        assert torch.allclose(FrontEnd(options)(wave).std((1, 2)), torch.ones(20), atol=0.01)


def test_parts_of_a_batch_are_the_batch(wave: torch.Tensor):
    front_end = FrontEnd(Features())
    assert len(wave) > features.CPU_WINDOWS, "more than one part"
    one_by_one = torch.cat([front_end(row[None]) for row in wave])
    assert torch.allclose(front_end(wave), one_by_one, atol=1e-5)


def test_a_data_set_is_standardised_by_numbers_that_the_checkpoint_holds():
    config = Config.model_validate({"features": {"normalisation": "data_set"}})
    clips = {f"positive/{i}.wav": tone(300 + 50 * i, 1.5) for i in range(4)} | {"negative/a.wav": tone(900, 9.0)}
    feed = batches.open_feed(array_of(clips), config, torch.device("cpu"), augmented=True)
    model, again = factory.build(config), factory.build(config)
    batches.standardise(model, feed, lambda: None)
    heard: list[torch.Tensor] = []
    model.network.register_forward_pre_hook(lambda network, inputs: heard.append(inputs[0]))
    model.eval()
    windows = batches.epoch_windows(feed.array, config, 1)
    logit = model(next(batches.plain_batches(feed, windows, len(windows))))
    values = heard[0].transpose(0, 1).flatten(1)
    assert values.mean(1).abs().max() < 1e-3 and (values.std(1) - 1).abs().max() < 1e-3
    again.load_state_dict(model.state_dict())
    heard.clear()
    assert torch.equal(again.eval()(next(batches.plain_batches(feed, windows, len(windows)))), logit)


def test_more_coefficients_than_bands_break_a_rule():
    options = {"kind": "mfcc", "mel_bands": 16, "mfcc_coefficients": 20}
    config = Config.model_construct(features=Features(**options), augmentation=Config().augmentation)
    assert "features.mfcc_coefficients: 20 coefficients" in next(iter(broken_rules(config)))
