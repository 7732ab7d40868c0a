"""Whole runs on a GPU, with real processes: what they tell of it, the queue for it, its memory full and freed."""

from collections.abc import Iterator

import psutil
import pytest

from tests.run_folders import end_all
from tests.tiny import ignore, make_raw, make_workspace, tiny_config
from tests.waiting import is_gone, people, wait_for_epoch, wait_until
from trainer.config import config_file
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.detector import detector_file
from trainer.detector.detector_file import DetectorFile
from trainer.estimates import requirements
from trainer.run import failures, launch, preflight, run_queue
from trainer.system import devices, durable
from trainer.system.workspace import Workspace

ENDLESS = {"epochs": 10_000, "device": "cuda"}


@pytest.fixture
def workspace(tmp_path) -> Iterator[Workspace]:
    made = make_workspace(tmp_path)
    yield made
    end_all(made)


@pytest.fixture
def gpu() -> devices.Gpu:
    return devices.gpus()[0]


def test_a_run_names_its_gpu_and_leaves_its_model(workspace: Workspace, gpu: devices.Gpu):
    run = launch.start(workspace, tiny_config(epochs=30, device="auto"), "tiny").run
    wait_for_epoch(run, 1)
    environment = psutil.Process(people(run).trainer.pid).environ()
    assert environment["CUDA_VISIBLE_DEVICES"] == gpu.uuid
    ended = wait_until(run, "completed")
    assert ended.progress.device == gpu.name and ended.progress.reading["gpu_name"] == gpu.name
    assert ended.progress.last_epoch["f1"] > 0.95
    file = durable.read_document(DetectorFile, detector_file.path_in(run.model))
    assert file.parity.within and file.parity.largest_difference < 1e-4


def test_the_second_run_waits_for_the_gpu_and_a_pause_frees_it(workspace: Workspace, gpu: devices.Gpu):
    first = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(first, 2)
    second = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_until(second, "queued")
    found = run_queue.position(workspace, second)
    assert found and found.training == (first,) and gpu.name in run_queue.wait_sentence(found)
    launch.pause(first)
    wait_until(first, "paused", seconds=20)
    assert is_gone(people(first).trainer.pid), "and with it all that it held of the GPU"
    wait_for_epoch(second, 1)


def test_memory_that_is_full_fails_the_run_with_a_batch_size_that_fits(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path)
    make_raw(workspace, voices=300)
    scan(workspace, ignore)
    splits.split_dataset(workspace, (0.8, 0.1, 0.1), 0)
    large = config_file.build({
        "model": {"name": "resnet18", "width": 4.0}, "features": {"mel_bands": 128, "hop_ms": 5},
        "data": {"window_seconds": 3.0}, "training": {"epochs": 1, "batch_size": 4096, "stream_epochs": 0},
    })  # fmt: skip
    here = requirements.machine(workspace)
    if requirements.gpu_memory_bytes(large) < 1.2 * here.gpu_memory_total:
        pytest.skip(f"{here.gpu_name} is too large to be filled by this training")
    assert "needs an estimated" in preflight.shortages(workspace, large, here)[0]
    monkeypatch.setattr(requirements, "gpu_memory_bytes", lambda config: 0)
    run = launch.start(workspace, large, "large").run
    monkeypatch.undo()
    status = wait_until(run, "failed")
    assert status.outcome.failure.kind == "gpu_memory" and "The GPU's memory is full." in status.outcome.reason
    assert status.outcome.failure.free_bytes > 10**8
    size = failures.fitting_batch_size(status.outcome.failure, large)
    assert 2 <= size < 4096
    fitting = large.model_copy(update={"training": large.training.model_copy(update={"batch_size": size})})
    again = launch.start(workspace, fitting, "fits").run
    wait_for_epoch(again, 1)
    end_all(workspace)
