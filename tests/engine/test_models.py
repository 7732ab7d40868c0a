"""Every model has the size of its paper, gives one logit a window, and learns."""

import pytest
import torch

from trainer.config import Config
from trainer.engine.features import FrontEnd
from trainer.engine.models import factory


def config_of(name: str, width: float = 1.0, bands: int = 40) -> Config:
    return Config.model_validate({"model": {"name": name, "width": width}, "features": {"mel_bands": bands}})


@pytest.mark.parametrize(
    ("name", "width", "parameters"),
    # TC-ResNet8: 66 k and, at 1.5, 145 k; BC-ResNet-1: 9.2 k, -2: 27.3 k, -8: 321 k; all with 12 classes in place of
    # our one. ResNet18: 11.7 M, 0.5 M of them in its 1,000 classes.
    [("tc_resnet", 1, 66e3), ("tc_resnet", 1.5, 145e3), ("bc_resnet", 1, 9.2e3), ("bc_resnet", 2, 27.3e3),
     ("bc_resnet", 8, 321e3), ("resnet18", 1, 11.18e6)],
)  # fmt: skip
def test_the_size_is_that_of_the_paper(name: str, width: float, parameters: float):
    model = factory.build(config_of(name, width))
    assert factory.parameters(model) == pytest.approx(parameters, rel=0.05)


@pytest.mark.parametrize("name", factory.MODELS)
@pytest.mark.parametrize("bands", [16, 40, 64, 81])
def test_one_logit_a_window_for_any_number_of_bands(name: str, bands: int):
    config = config_of(name, 0.5, bands)
    features = FrontEnd(config.features)(torch.randn(3, 16000))
    assert features.shape[:2] == (3, bands)
    assert factory.build(config).eval()(features).shape == (3,)


@pytest.mark.parametrize("name", factory.MODELS)
def test_a_model_learns_to_tell_two_sounds(name: str):
    torch.manual_seed(0)
    config = config_of(name, 0.5)
    time = torch.arange(8000) / 16000
    tones = torch.stack([torch.sin(6.28 * hertz * time) for hertz in (400.0, 900.0)]).repeat(16, 1)
    wave, label = tones + 0.3 * torch.randn(32, 8000), torch.tensor([0.0, 1.0]).repeat(16)
    features, model = FrontEnd(config.features)(wave), factory.build(config)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(features), label)
        torch.autograd.backward(loss)
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
