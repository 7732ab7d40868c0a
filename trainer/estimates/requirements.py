"""Estimates of the memory and disk space that a training needs, and warnings about a configuration on this machine."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.audio import manifest
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.config.config_file import Problem
from trainer.config.schema import Config
from trainer.estimates import model_size
from trainer.system import devices, limits
from trainer.system.workspace import Workspace

_PROCESS_BYTES = 870e6
"""A trainer on the CPU without training batches: Python, torch and its libraries, validation."""
_KERNEL_BYTES = {
    "tc_resnet": 0.0,
    "bc_resnet": 30e6,
    "resnet18": 30e6,
    "mobilenet_v3_small": 0.0,
    "tcn": 0.0,
    "lstm": 0.0,
    "gru": 0.0,
    "dense": 0.0,
    "conv_attention": 0.0,
    "mixednet": 0.0,
}
"""Additional memory for convolutions on the CPU."""
_BYTES_PER_PARAMETER = 24.0
"""Weight, gradient, two moments of AdamW, and the copy written to a checkpoint."""
_BYTES_PER_SAMPLE = 30.0
"""Audio of a window during augmentation: clean, noise, spectra of the room."""
_BYTES_PER_ACTIVATION = {
    "tc_resnet": 7.6,
    "bc_resnet": 7.0,
    "resnet18": 4.8,
    "mobilenet_v3_small": 2.5,
    "tcn": 3.0,
    "lstm": 2.0,
    "gru": 3.0,
    "dense": 4.0,
    "conv_attention": 4.0,
    "mixednet": 4.0,
}
"""Four bytes for each number that the backward pass needs, the rest for gradients; less where activations reuse the
memory of augmentation.

All of these are fitted to peaks measured on CPUs; `python -m benchmarks.estimates` prints the errors. Clips are extra:
they are in a mapped file, which the system can drop from memory.
"""
CONTEXT_BYTES = 500e6
"""Memory of a CUDA context and its libraries on a GPU."""
_GPU_FIXED_BYTES = 60e6
_GPU_BYTES_PER_PARAMETER = 16.0
"""Weight, gradient and two moments of AdamW."""
_GPU_BYTES_PER_SAMPLE = 32.0
_GPU_BYTES_PER_ACTIVATION = {"auto": 2.5, "bfloat16": 2.5, "float16": 2.5, "float32": 4.3}
"""By precision; `auto` is bfloat16 on all but old GPUs.

Fitted to peaks of five models in batches of 16 to 1,024 on an H200; `python -m benchmarks.gpu_memory` prints their
errors. Clips are not included: they are put on the GPU only if there is room.
"""
_CHECKPOINTS = 6
"""The two newest with the best of each, one within the epoch, and the one being written."""
_BYTES_PER_CHECKPOINT_PARAMETER = 16.0
"""Weight, its average, two moments of AdamW."""
_CHECKPOINT_BYTES = 80e3
_SPARE_DISK_BYTES = 200e6
_BYTES_PER_EPOCH = 4.2e3
"""Metrics and log."""
LARGE_RATE = 1e-3
"""Highest learning rate for a training that starts from a model."""
_BATCH_SIZES = tuple(2**power for power in range(1, 14))


@dataclass(frozen=True)
class Estimate:
    """Exact `parameters` and `multiply_adds` (of one window), and estimated bytes.

    `clip_bytes` is the part of `memory_bytes` that the system can drop.
    """

    parameters: int
    multiply_adds: int
    memory_bytes: int
    clip_bytes: int
    gpu_memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Machine:
    """Resources of a machine in bytes; `gpu_name` is empty and its memory 0 without a GPU.

    `memory_limited`, `cores_limited`: a container limits memory or cores.
    """

    cores: int
    memory_total: int
    memory_free: int
    disk_free: int
    gpu_name: str = ""
    gpu_memory_total: int = 0
    gpu_memory_free: int = 0
    memory_limited: bool = False
    cores_limited: bool = False

    @property
    def name(self) -> str:
        """The machine or container, for a sentence."""
        limited = f"this container (limited to {self.memory_total / 1e9:.1f} GB)"
        return limited if self.memory_limited else "this machine"


def machine(workspace: Workspace) -> Machine:
    """The resources of this machine now."""
    memory, reading = devices.memory(), devices.read()
    total, used = reading.gpu_memory_total or 0, reading.gpu_memory_used or 0
    disk = shutil.disk_usage(workspace.root).free
    return Machine(
        limits.cores(),
        memory.total,
        memory.free,
        disk,
        reading.gpu_name or "",
        total,
        total - used,
        memory.limited,
        limits.threads() > 0,
    )


def _samples(config: Config) -> int:
    return round(config.data.window_seconds * SAMPLE_RATE)


def clip_bytes(workspace: Workspace) -> int:
    """Size of the clips that a training maps into memory, 16-bit samples of two splits; 0 without splits."""
    files = [manifest.split_file(workspace, split) for split in manifest.SPLITS]
    try:
        return _clip_bytes(workspace, tuple(file.stat().st_mtime_ns for file in files))
    except (OSError, ValueError):
        return 0


@functools.lru_cache(maxsize=4)
def _clip_bytes(workspace: Workspace, stamp: tuple[int, ...]) -> int:
    splits = manifest.read_splits(workspace)
    seconds = sum(clip.seconds for split in ("train", "val") for clip in splits[split])
    return round(2 * SAMPLE_RATE * seconds)


def memory_bytes(config: Config) -> int:
    """Estimated peak memory of a training on the CPU in bytes, without clips."""
    size, model = model_size.size(config), config.model.name
    window = _BYTES_PER_SAMPLE * _samples(config) + _BYTES_PER_ACTIVATION[model] * size.kept
    fixed = _PROCESS_BYTES + _KERNEL_BYTES[model] + _BYTES_PER_PARAMETER * size.parameters
    return round(fixed + config.training.batch_size * window)


def gpu_memory_bytes(config: Config) -> int:
    """Estimated peak GPU memory of a training on the GPU in bytes, without clips."""
    size = model_size.size(config)
    window = _GPU_BYTES_PER_SAMPLE * _samples(config) + _GPU_BYTES_PER_ACTIVATION[config.training.precision] * size.kept
    fixed = CONTEXT_BYTES + _GPU_FIXED_BYTES + _GPU_BYTES_PER_PARAMETER * size.parameters
    return round(fixed + config.training.batch_size * window)


def disk_bytes(config: Config) -> int:
    """Estimated largest size of the run folder in bytes."""
    return round(_CHECKPOINTS * _checkpoint_bytes(config) + _BYTES_PER_EPOCH * config.training.epochs)


def least_disk_bytes(config: Config) -> int:
    """Free disk space required to start a run: three checkpoints, metrics and log."""
    return round(_SPARE_DISK_BYTES + 3 * _checkpoint_bytes(config))


def _checkpoint_bytes(config: Config) -> float:
    return _CHECKPOINT_BYTES + _BYTES_PER_CHECKPOINT_PARAMETER * model_size.size(config).parameters


def estimate(config: Config, clips: int = 0) -> Estimate:
    """All estimates; `clips` is the size of the clips in bytes, see `clip_bytes`."""
    size = model_size.size(config)
    memory, gpu = memory_bytes(config) + clips, gpu_memory_bytes(config)
    return Estimate(size.parameters, size.multiply_adds, memory, clips, gpu, disk_bytes(config))


def on_gpu(config: Config, here: Machine) -> bool:
    """Whether this configuration trains on a GPU of this machine."""
    return config.training.device != "cpu" and bool(here.gpu_name)


def _fits(config: Config, here: Machine, batch_size: int) -> bool:
    training = config.training.model_copy(update={"batch_size": batch_size})
    other = config.model_copy(update={"training": training})
    if on_gpu(config, here):
        return gpu_memory_bytes(other) <= here.gpu_memory_free
    return memory_bytes(other) <= here.memory_free


def batch_size_that_fits(config: Config, here: Machine) -> int:
    """The largest power of two up to 8192 that is estimated to fit into free memory; 0 when none does."""
    return max((size for size in _BATCH_SIZES if _fits(config, here, size)), default=0)


def fitting_sentence(config: Config, here: Machine) -> str:
    """The batch sizes that fit, as a sentence."""
    largest = batch_size_that_fits(config, here)
    if largest == 0:
        return "By estimate, no batch size fits into the free memory; choose a smaller model."
    if largest == _BATCH_SIZES[-1]:
        return f"By estimate, every batch size up to {largest:,} fits."
    return f"By estimate, batch size {largest:,} fits and {2 * largest:,} does not."


def warnings(config: Config, here: Machine) -> list[Problem]:
    """Warnings about valid options: too little memory or disk, and unusual values."""
    return [*_shortages(config, here), *_unusual(config, here)]


def _shortages(config: Config, here: Machine) -> Iterator[Problem]:
    gpu = on_gpu(config, here)
    need = gpu_memory_bytes(config) if gpu else memory_bytes(config)
    have, where = (here.gpu_memory_free, here.gpu_name) if gpu else (here.memory_free, here.name)
    if need > have:
        text = f"needs an estimated {need / 1e9:.1f} GB; {where} has {have / 1e9:.1f} GB free."
        yield Problem("training.batch_size", f"{text} {fitting_sentence(config, here)}")
    if (disk := disk_bytes(config)) > here.disk_free:
        text = f"the run needs an estimated {disk / 1e6:,.0f} MB of disk; {here.disk_free / 1e6:,.0f} MB are free."
        yield Problem("training.epochs", text)


def _unusual(config: Config, here: Machine) -> Iterator[Problem]:
    training, rate = config.training, config.optimizer.learning_rate
    if training.patience >= training.epochs:
        text = f"{training.patience} epochs without a better model cannot occur in {training.epochs} epochs; "
        yield Problem("training.patience", f"{text}use 0 to turn early stopping off.")
    if training.threads > here.cores:
        text = f"{training.threads} threads on {here.cores} cores slow each other down; 0 uses all cores."
        yield Problem("training.threads", text)
    if config.model.name == "resnet18" and not on_gpu(config, here):
        yield Problem("model.name", "resnet18 is slow on a CPU; measure the time before you start.")
    if training.start_from and rate > LARGE_RATE:
        text = f"{rate:g} may destroy what the earlier model has learned; use 0.0003 to {LARGE_RATE:g}."
        yield Problem("optimizer.learning_rate", text)
