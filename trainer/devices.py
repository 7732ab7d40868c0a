"""One reading of GPU, CPU and memory, for the page and the run's record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pynvml
from pydantic import BaseModel


class Reading(BaseModel, frozen=True):
    """What the machine does now; the GPU's fields are None where there is none. Memory in bytes, load in percent."""

    cpu_percent: float
    memory_used: int
    memory_total: int
    process_memory: int
    gpu_name: str | None = None
    gpu_percent: float | None = None
    gpu_memory_used: int | None = None
    gpu_memory_total: int | None = None


@contextmanager
def _gpu(index: int) -> Iterator[object | None]:
    """Handle of one NVIDIA GPU, or None where there is no driver or no such GPU."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError:
        yield None
    finally:
        pynvml.nvmlShutdown()


def read(gpu_index: int | None = 0) -> Reading:
    """Read the devices once; load is that since the previous reading of this process."""
    memory = psutil.virtual_memory()
    common = {
        "cpu_percent": psutil.cpu_percent(),
        "memory_used": memory.total - memory.available,
        "memory_total": memory.total,
        "process_memory": psutil.Process().memory_info().rss,
    }
    if gpu_index is None:
        return Reading(**common)
    with _gpu(gpu_index) as handle:
        return Reading(**common, **(_gpu_fields(handle) if handle is not None else {}))


def _gpu_fields(handle: object) -> dict[str, object]:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    fields: dict[str, object] = {"gpu_name": pynvml.nvmlDeviceGetName(handle)}
    fields |= {"gpu_memory_used": memory.used, "gpu_memory_total": memory.total}
    try:
        return fields | {"gpu_percent": float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)}
    except pynvml.NVMLError:  # virtual GPUs often do not tell their load
        return fields


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_kills() -> int:
    """How many processes the system has ended for lack of memory since boot; 0 where it does not tell (not Linux)."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
