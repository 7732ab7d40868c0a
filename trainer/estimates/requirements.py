"""Estimates of the memory, disk space and time that a training needs."""

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
"""A trainer on the CPU before its batches count: Python, torch and its libraries, validation in batches of its own."""
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
}
"""What the CPU's convolutions of each model reserve besides."""
_BYTES_PER_PARAMETER = 24.0
"""Weight, gradient, two moments of AdamW, and the copy that is being written to a checkpoint."""
_BYTES_PER_SAMPLE = 30.0
"""A window's audio while it is augmented: the clean one, the noise, the spectra of the room."""
_BYTES_PER_KEPT = {
    "tc_resnet": 7.6,
    "bc_resnet": 7.0,
    "resnet18": 4.8,
    "mobilenet_v3_small": 2.5,
    "tcn": 3.0,
    "lstm": 2.0,
    "gru": 3.0,
    "dense": 4.0,
    "conv_attention": 4.0,
}
"""Four for each number that the backward pass needs, the rest for gradients under way; less than four where what a
model keeps takes the place of windows that have been augmented by then.

All of these are fitted to peaks measured on CPUs; `python -m benchmarks.estimates` prints how far off they are. The
clips come on top: they lie in a mapped file, of which the system holds what memory allows.
"""
CONTEXT_BYTES = 500e6
"""Memory of a CUDA context and its libraries on a GPU."""
_GPU_FIXED_BYTES = 60e6
_GPU_BYTES_PER_PARAMETER = 16.0
"""Weight, gradient and two moments of AdamW."""
_GPU_BYTES_PER_SAMPLE = 32.0
_GPU_BYTES_PER_KEPT = {"auto": 2.5, "bfloat16": 2.5, "float16": 2.5, "float32": 4.3}
"""By precision; `auto` is bfloat16 on all but old GPUs.

Fitted to peaks of five models in batches of 16 to 1,024 on an H200; `python -m benchmarks.gpu_memory` prints how far
off they are. The clips are no part of it: they are put on the GPU when there is room beside all this.
"""
_CHECKPOINTS = 6
"""The two newest with the best of each, one within the epoch, and the one that is being written."""
_BYTES_PER_CHECKPOINT_PARAMETER = 16.0
"""Weight, its average, two moments of AdamW."""
_CHECKPOINT_BYTES = 80e3
_SPARE_DISK_BYTES = 200e6
_BYTES_PER_EPOCH = 4.2e3
"""Rows of metrics and lines of the log."""
LARGE_RATE = 1e-3
"""A higher learning rate is for models trained from random weights."""
_BATCH_SIZES = tuple(2**power for power in range(1, 14))


@dataclass(frozen=True)
class Estimate:
    """What a training needs: `parameters` and `multiply_adds` (of one window) exactly, bytes by estimate.

    `clip_bytes` is the part of `memory_bytes` that the system drops when others need it.
    """

    parameters: int
    multiply_adds: int
    memory_bytes: int
    clip_bytes: int
    gpu_memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True)
class Machine:
    """What there is to train with, in bytes; `gpu_name` is empty and its memory 0 where there is no GPU.

    Memory and cores are those that a container leaves where it limits them, which `memory_limited` and `cores_limited`
    tell.
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
        """Whose memory it is, for a sentence."""
        limited = f"this container (limited to {self.memory_total / 1e9:.1f} GB)"
        return limited if self.memory_limited else "this machine"


def machine(workspace: Workspace) -> Machine:
    """This machine as it is now."""
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
    """Size of the clips that a training maps into memory: 16-bit samples of two splits; 0 without splits."""
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
    """Estimated peak memory of the training process in bytes when it trains on the CPU, without its clips."""
    size, model = model_size.size(config), config.model.name
    window = _BYTES_PER_SAMPLE * _samples(config) + _BYTES_PER_KEPT[model] * size.kept
    fixed = _PROCESS_BYTES + _KERNEL_BYTES[model] + _BYTES_PER_PARAMETER * size.parameters
    return round(fixed + config.training.batch_size * window)


def gpu_memory_bytes(config: Config) -> int:
    """Estimated peak memory on the GPU in bytes when the training runs there, without its clips."""
    size = model_size.size(config)
    window = _GPU_BYTES_PER_SAMPLE * _samples(config) + _GPU_BYTES_PER_KEPT[config.training.precision] * size.kept
    fixed = CONTEXT_BYTES + _GPU_FIXED_BYTES + _GPU_BYTES_PER_PARAMETER * size.parameters
    return round(fixed + config.training.batch_size * window)


def disk_bytes(config: Config) -> int:
    """Estimated size of the run's folder in bytes, at its largest."""
    return round(_CHECKPOINTS * _checkpoint_bytes(config) + _BYTES_PER_EPOCH * config.training.epochs)


def least_disk_bytes(config: Config) -> int:
    """Free disk without which a run is not started: three checkpoints, room for rows, log and others."""
    return round(_SPARE_DISK_BYTES + 3 * _checkpoint_bytes(config))


def _checkpoint_bytes(config: Config) -> float:
    return _CHECKPOINT_BYTES + _BYTES_PER_CHECKPOINT_PARAMETER * model_size.size(config).parameters


def estimate(config: Config, clips: int = 0) -> Estimate:
    """All of them; `clips` are the bytes of the clips, see `clip_bytes`."""
    size = model_size.size(config)
    memory, gpu = memory_bytes(config) + clips, gpu_memory_bytes(config)
    return Estimate(size.parameters, size.multiply_adds, memory, clips, gpu, disk_bytes(config))


def on_gpu(config: Config, here: Machine) -> bool:
    """Whether this configuration would train on a GPU of this machine."""
    return config.training.device != "cpu" and bool(here.gpu_name)


def _fits(config: Config, here: Machine, batch_size: int) -> bool:
    training = config.training.model_copy(update={"batch_size": batch_size})
    other = config.model_copy(update={"training": training})
    if on_gpu(config, here):
        return gpu_memory_bytes(other) <= here.gpu_memory_free
    return memory_bytes(other) <= here.memory_free


def batch_size_that_fits(config: Config, here: Machine) -> int:
    """The largest power of two that fits into free memory by estimate, 8192 at most; 0 when none does."""
    return max((size for size in _BATCH_SIZES if _fits(config, here, size)), default=0)


def fitting_sentence(config: Config, here: Machine) -> str:
    """Which batch sizes fit, as a sentence."""
    largest = batch_size_that_fits(config, here)
    if largest == 0:
        return "By estimate, no batch size fits into the free memory; choose a smaller model."
    if largest == _BATCH_SIZES[-1]:
        return f"By estimate every batch size up to {largest:,} fits."
    return f"By estimate batch size {largest:,} fits, {2 * largest:,} does not."


def warnings(config: Config, here: Machine) -> list[Problem]:
    """What is allowed but likely not meant."""
    gpu = on_gpu(config, here)
    need = gpu_memory_bytes(config) if gpu else memory_bytes(config)
    have, where = (here.gpu_memory_free, here.gpu_name) if gpu else (here.memory_free, here.name)
    found = []
    if need > have:
        text = f"needs an estimated {need / 1e9:.1f} GB; {where} has {have / 1e9:.1f} GB free."
        found.append(Problem("training.batch_size", f"{text} {fitting_sentence(config, here)}"))
    if (disk := disk_bytes(config)) > here.disk_free:
        text = f"the run needs an estimated {disk / 1e6:,.0f} MB of disk; {here.disk_free / 1e6:,.0f} MB are free."
        found.append(Problem("training.epochs", text))
    return found + list(_unlikely(config, here))


def _unlikely(config: Config, here: Machine) -> Iterator[Problem]:
    training, rate = config.training, config.optimizer.learning_rate
    if training.patience >= training.epochs:
        text = f"{training.patience} epochs without a better model never come in a training of {training.epochs}; "
        yield Problem("training.patience", f"{text}0 says so plainly.")
    if training.threads > here.cores:
        text = (
            f"{training.threads} threads on {here.cores} cores slow each other down; 0 uses as many as there are cores."
        )
        yield Problem("training.threads", text)
    if config.model.name == "resnet18" and not on_gpu(config, here):
        yield Problem("model.name", "resnet18 is slow on a CPU; measure the time before you start.")
    if training.start_from and rate > LARGE_RATE:
        text = f"{rate:g} may undo what the earlier model has learned; 0.0003 to {LARGE_RATE:g} keeps it."
        yield Problem("optimizer.learning_rate", text)
