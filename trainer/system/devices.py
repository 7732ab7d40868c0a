"""GPUs, CPU and memory of this machine: which exist, and one reading of their load."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml
from pydantic import BaseModel

from trainer.system import limits


class Reading(BaseModel, frozen=True):
    """The load of the machine at one moment. Memory in bytes, load in percent; GPU fields are None without a GPU.

    If a container limits this process, memory is that of the container (`memory_limited`), and `cpus` is the number of
    CPUs that the process may use.
    """

    cpu_percent: float
    cpus: float | None = None
    memory_used: int
    memory_total: int
    memory_limited: bool = False
    process_memory: int
    gpu_name: str | None = None
    gpu_percent: float | None = None
    gpu_memory_used: int | None = None
    gpu_memory_total: int | None = None


@dataclass(frozen=True)
class Memory:
    """Memory that this process may use, and how much of it is free, in bytes; `limited` if a control group allows less
    than the machine has."""

    total: int
    free: int
    limited: bool


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU that this process may use; `id` names it in the queue."""

    index: int
    uuid: str
    name: str

    @property
    def id(self) -> str:
        return f"gpu{self.index}"


@contextmanager
def _driver() -> Iterator[bool]:
    """Open the NVIDIA driver for the block; yields whether there is one."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield False
        return
    try:
        yield True
    finally:
        pynvml.nvmlShutdown()


def gpus() -> list[Gpu]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this process, all if it is not set; none without a driver.

    A GPU that has failed is left out; the other GPUs, the pages and the queue keep working.
    """
    every = []
    with _driver() as has_driver:
        for index in range(pynvml.nvmlDeviceGetCount() if has_driver else 0):
            with suppress(pynvml.NVMLError):
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                every.append(Gpu(index, pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)))
    return visible(every, os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(every: Sequence[Gpu], setting: str | None) -> list[Gpu]:
    """The GPUs that a setting of CUDA_VISIBLE_DEVICES names, by index or by (the start of) the UUID, in its order.

    As in CUDA, names after the first one that matches no GPU are ignored.
    """
    if setting is None:
        return list(every)
    chosen: list[Gpu] = []
    for name in setting.split(","):
        wanted = name.strip()
        matching = [gpu for gpu in every if wanted == str(gpu.index) or (wanted and gpu.uuid.startswith(wanted))]
        if len(matching) != 1:
            break
        chosen += matching
    return chosen


def choices(option: str) -> tuple[str, ...]:
    """The devices that a run may train on by its `training.device`, as the queue names them: `gpu0`, ... or `cpu`.

    Without a GPU, a run that requires one waits for the CPU and then fails with a message.
    """
    available = gpus() if option != "cpu" else []
    return tuple(gpu.id for gpu in available) or ("cpu",)


def environment(device: str) -> dict[str, str]:
    """Environment variables that restrict a process to this GPU. Raises ValueError when it is no longer available."""
    if device == "cpu":
        return {}
    uuid = next((gpu.uuid for gpu in gpus() if gpu.id == device), None)
    if uuid is None:
        raise ValueError(f"{device} is no longer available; check that nvidia-smi lists it, then resume the run.")
    return {"CUDA_VISIBLE_DEVICES": uuid}


def title(device: str) -> str:
    """Display name of a device of the queue."""
    if device == "cpu":
        return "the CPU"
    name = next((gpu.name for gpu in gpus() if gpu.id == device), "not found here")
    return f"GPU {device.removeprefix('gpu')} ({name})"


def memory() -> Memory:
    """The memory of this machine, or what the control groups leave of it."""
    host, group = psutil.virtual_memory(), limits.read()
    total = min(host.total, host.total if group.memory_total is None else group.memory_total)
    free = min(host.available, host.available if group.memory_free is None else group.memory_free)
    return Memory(total, free, total < host.total)


def read(gpu_index: int | None = 0) -> Reading:
    """Read the devices and the visible GPU with this index (None: no GPU); CPU load is measured since the previous
    call of this process."""
    here = memory()
    common = {
        "cpu_percent": psutil.cpu_percent(),
        "cpus": limits.read().cpus,
        "memory_used": here.total - here.free,
        "memory_total": here.total,
        "memory_limited": here.limited,
        "process_memory": psutil.Process().memory_info().rss,
    }
    selected = [] if gpu_index is None else gpus()[gpu_index : gpu_index + 1]
    if not selected:
        return Reading(**common)
    with _driver():
        return Reading(**common, gpu_name=selected[0].name, **_gpu_fields(selected[0].index))


def _gpu_fields(index: int) -> dict[str, float]:
    """Readings of a GPU. Virtual GPUs often report no load, some no memory, and a lost GPU reports nothing."""
    fields: dict[str, float] = {}
    with suppress(pynvml.NVMLError):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        used = pynvml.nvmlDeviceGetMemoryInfo(handle)
        fields |= {"gpu_memory_used": used.used, "gpu_memory_total": used.total}
    with suppress(pynvml.NVMLError):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        fields["gpu_percent"] = float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    return fields


def memory_kills() -> int:
    """Processes killed for lack of memory since boot; 0 where this is unknown (not Linux)."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
