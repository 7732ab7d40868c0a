"""Detectors with random weights, written as a run would write them."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.detector.detector_file import MODEL, NAME, DetectorFile, Parity, Threshold
from trainer.engine.export import graphs
from trainer.engine.features.features import front_end
from trainer.engine.models import factory
from trainer.engine.training import validation
from trainer.system import durable

RATE = 16000


def config_of(name: str = "tc_resnet", kind: str = "log_mel", width: float = 0.25, **features: object) -> Config:
    seconds = 2.0 if kind == "speech_embedding" else 1.0
    return config_file.build(
        {
            "model": {"name": name, "width": width},
            "features": {"kind": kind} | features,
            "data": {"window_seconds": seconds},
            "augmentation": {"shift_ms": 100},
        }
    )


def sounds(seconds: float) -> np.ndarray:
    """Bursts of gliding harmonics of changing level over faint noise, float32 [samples] in -1..1."""
    rng, time = np.random.default_rng(0), np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(3 * time)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * np.clip(np.sin(9 * time), 0, 1) ** 2
    level = 10 ** (-1.5 * np.abs(np.sin(1.3 * time)))
    return (0.25 * level * voice + 2e-4 * rng.standard_normal(len(time))).clip(-1, 1).astype(np.float32)


def network_of(config: Config) -> nn.Module:
    """A network after a few steps towards telling loud windows from quiet ones, so that its probabilities differ."""
    torch.manual_seed(0)
    network, front = factory.build(config), front_end(config.features)
    size = round(config.data.window_seconds * RATE)
    wave = torch.from_numpy(sounds(4.0)).unfold(0, size, 1600).contiguous()
    features, level = front(wave), wave.square().mean(1)
    label = (level > level.median()).float()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(20):
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.binary_cross_entropy_with_logits(network(features), label))
        optimizer.step()
    with torch.no_grad():
        for _ in range(30):
            network(features)  # until the statistics are those of the weights as they are now
        network.eval()
        last = [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d)][-1]
        logit = network(features)
        scale = (2 / logit.std()).clamp(max=20)
        last.weight.mul_(scale)
        last.bias.mul_(scale).sub_(scale * logit.mean())
    return network


def write(folder: Path, config: Config, network: nn.Module | None = None, threshold: float = 0.5) -> Path:
    """A model folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    data = graphs.detector_graph(config, network or network_of(config)).SerializeToString()
    (folder / MODEL).write_bytes(data)
    file = DetectorFile(
        run="20260101-000000-0000", label="tones", checkpoint="epoch-00001.pt", epoch=1, model=config.model.name,
        window_seconds=config.data.window_seconds, hop_ms=1000 * validation.hop_seconds(config),
        smoothing_seconds=0.2, threshold=threshold, threshold_from=Threshold(source="default"), refractory_seconds=1.0,
        columns=graphs.column_facts(config, front_end(config.features)),
        files={MODEL: hashlib.sha256(data).hexdigest()},
        parity=Parity(largest_difference=0.0, windows=0, within=True), versions={},
    )  # fmt: skip
    durable.replace_json(folder / NAME, file.model_dump())
    return folder
