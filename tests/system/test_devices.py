"""Readings of GPUs that fail, with a stand-in for the driver's library: here there is none."""

import pynvml
import pytest

from trainer.system import devices


@pytest.fixture(autouse=True)
def two_gpus(monkeypatch):
    """The first one is lost; the second one tells neither its memory nor its load."""

    def handle_of(index: int) -> int:
        if index == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    def refuse(handle: int) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    stand_ins = {
        "nvmlInit": lambda: None, "nvmlShutdown": lambda: None, "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": handle_of, "nvmlDeviceGetUUID": lambda handle: f"GPU-{handle}",
        "nvmlDeviceGetName": lambda handle: "NVIDIA X", "nvmlDeviceGetMemoryInfo": refuse,
        "nvmlDeviceGetUtilizationRates": refuse,
    }  # fmt: skip
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(pynvml, name, stand_in)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_lost_gpu_is_none_and_keeps_nobody_from_the_other():
    assert devices.choices("auto") == ("gpu1",)


def test_what_a_gpu_does_not_tell_ends_no_training():
    reading = devices.read(0)
    assert reading.gpu_name == "NVIDIA X" and reading.gpu_memory_used is None and reading.gpu_percent is None
