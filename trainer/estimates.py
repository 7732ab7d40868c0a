"""Estimates of what a training needs before it starts; they are called estimates wherever they are shown."""

from __future__ import annotations

import psutil

from trainer.config import SAMPLE_RATE, Config

MEGABYTE = 1 << 20
PROCESS_BYTES = 420 * MEGABYTE
"""Resident size of a trainer that has imported torch and done nothing yet (measured on Linux, CPU)."""

_PEAK_FLOATS_PER_CELL = {"tc_resnet": 20.0, "bc_resnet": 60.0, "resnet18": 110.0}
"""Floats held for one cell of the spectrogram in a training step at width 1 (measured, see docs)."""
_AUDIO_COPIES = 14
"""Copies of a batch's audio while it is augmented: the clean one, the noise, and the complex spectra of the room."""


def memory_bytes(config: Config) -> int:
    """Estimated peak memory of the training process in bytes; on a GPU most of it lies there."""
    samples = round(config.data.window_seconds * SAMPLE_RATE)
    frames = samples * 1000 // (SAMPLE_RATE * config.features.hop_ms)
    cells = frames * config.features.mel_bands
    floats = _AUDIO_COPIES * samples + _PEAK_FLOATS_PER_CELL[config.model.name] * config.model.width * cells
    return PROCESS_BYTES + round(4 * config.training.batch_size * floats)


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
