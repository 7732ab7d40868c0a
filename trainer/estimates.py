"""Estimates of what a training needs before it starts; they are called estimates wherever they are shown."""

from __future__ import annotations

import psutil

from trainer.config import SAMPLE_RATE, Config

_PROCESS_BYTES = {"tc_resnet": 830e6, "bc_resnet": 934e6, "resnet18": 830e6}
"""A trainer on the CPU before its batches count: Python, torch, and what its kernels keep for each kind of layer."""
_WEIGHTS_AT_WIDTH_1 = {"tc_resnet": 66e3, "bc_resnet": 50e3, "resnet18": 11.2e6}
_BYTES_PER_WEIGHT = 24.0
"""Weight, gradient, two moments of AdamW, and the copy that is being written to a checkpoint."""
_BYTES_PER_SAMPLE = 50.0
"""A window's audio while it is augmented: the clean one, the noise, the spectra of the room."""
_BYTES_PER_CELL = {"tc_resnet": 50.0, "bc_resnet": 710.0, "resnet18": 645.0}
"""What a training step holds for one cell of the spectrogram at width 1.

All of these are fitted to measured peaks; `python -m tests.measure_memory` prints how far off they are (at most 10 %).
"""


def memory_bytes(config: Config) -> int:
    """Estimated peak memory of the training process in bytes; on a GPU a part of it lies there."""
    model, width = config.model.name, config.model.width
    samples = round(config.data.window_seconds * SAMPLE_RATE)
    cells = samples * 1000 // (SAMPLE_RATE * config.features.hop_ms) * config.features.mel_bands
    window = _BYTES_PER_SAMPLE * samples + _BYTES_PER_CELL[model] * width * cells
    weights = _BYTES_PER_WEIGHT * _WEIGHTS_AT_WIDTH_1[model] * width**2
    return round(_PROCESS_BYTES[model] + weights + config.training.batch_size * window)


def warnings(config: Config) -> list[str]:
    """What is allowed but likely not meant, as sentences."""
    found = []
    need, have = memory_bytes(config), psutil.virtual_memory().total
    if need > have:
        found.append(
            f"training.batch_size: {config.training.batch_size} needs an estimated {need / 1e9:.1f} GB of memory; "
            f"this machine has {have / 1e9:.1f} GB. Take a smaller batch."
        )
    if config.training.patience >= config.training.epochs:
        found.append(
            f"training.patience: early stopping after {config.training.patience} epochs never acts "
            f"in a training of {config.training.epochs}; 0 says so plainly."
        )
    return found
