"""Checks before a start: what is too little is refused with numbers, and the device is named."""

import errno
import os
from dataclasses import replace

import pytest

from tests import run_folders
from tests.tiny import make_workspace, tiny_config
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.estimates import requirements
from trainer.estimates.requirements import Machine
from trainer.run import launch, preflight, run_queue, runs
from trainer.system import devices, durable
from trainer.system.workspace import Workspace

HERE = Machine(cores=2, memory_total=8 * 10**9, memory_free=4 * 10**9, disk_free=10**10)
GPU = replace(HERE, gpu_name="A GPU", gpu_memory_total=8 * 10**9, gpu_memory_free=8 * 10**9)
LARGE = config_file.build({"model": {"name": "resnet18"}, "training": {"batch_size": 4096}})
CUDA = config_file.build({"training": {"device": "cuda"}})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def test_a_machine_that_has_enough_is_not_in_the_way(workspace):
    assert preflight.shortages(workspace, Config(), HERE) == [] == preflight.shortages(workspace, CUDA, GPU)
    assert preflight.problems(workspace, tiny_config()) == []


def test_too_little_disk_is_refused_with_numbers(workspace):
    need = requirements.least_disk_bytes(Config())
    (text,) = preflight.shortages(workspace, Config(), replace(HERE, disk_free=need - 7_000_000))
    assert text.startswith(f"The run needs {need / 1e6:,.0f} MB of disk; {need / 1e6 - 7:,.0f} MB are free in ")
    assert f"{workspace.runs}. Free 7 MB there" in text and need > 200e6
    assert preflight.shortages(workspace, Config(), replace(HERE, disk_free=need)) == []


@pytest.mark.parametrize(("here", "where"), [(HERE, "on this machine"), (GPU, "on A GPU")])
def test_too_little_memory_is_refused_with_the_batch_size_that_fits(workspace, here, where):
    (text,) = preflight.shortages(workspace, LARGE, here)
    fits = requirements.batch_size_that_fits(LARGE, here)
    assert f"GB are free {where}. By estimate, batch size {fits:,} fits" in text


def test_a_gpu_that_is_not_there_is_told_before_the_start(workspace):
    (text,) = preflight.shortages(workspace, CUDA, HERE)
    assert text == "training.device is cuda, but no GPU was found. Choose auto or cpu on the Configuration page."


def test_the_device_is_named():
    assert preflight.trains_on(Config(), HERE) == "CPU, 2 threads"
    assert preflight.trains_on(tiny_config(threads=1), HERE) == "CPU, 1 thread"
    assert preflight.trains_on(Config(), GPU) == "A GPU"
    assert preflight.trains_on(tiny_config(device="cpu", threads=3), GPU) == "CPU, 3 threads"


def test_what_a_training_holds_for_which_it_would_wait_counts_as_free(workspace, monkeypatch):
    run = run_folders.make_run(workspace)
    run_folders.make_alive(run)
    monkeypatch.setattr(requirements, "machine", lambda workspace: replace(GPU, gpu_memory_free=0))
    for waits_for, device, slots, memory, gpu in (
        ("cpu", "cpu", 1, 5.23e9, 0), ("gpu0", "gpu0", 1, 5.23e9, 8e9), ("gpu0", "gpu0", 2, 4e9, 0),
        ("cpu", "gpu0", 1, 4e9, 0), ("gpu0", "cpu", 1, 4e9, 0),
    ):  # fmt: skip
        monkeypatch.setattr(devices, "choices", lambda option, device=waits_for: (device,))
        run_queue.set_slots(workspace, device, slots)
        slot = run_queue.take(workspace, run, [device])
        here = preflight.machine(workspace, Config())
        assert slot and (here.memory_free, here.gpu_memory_free) == (memory, gpu)
        os.close(slot.descriptor)
    run_folders.end(run, "completed", "All done.")
    monkeypatch.setattr(devices, "choices", lambda option: ("cpu",))
    assert preflight.machine(workspace, Config()).memory_free == 4e9


def test_a_refused_extension_leaves_the_run_as_it_was(tmp_path, monkeypatch):
    run = run_folders.make_run(run_folders.workspace_at(tmp_path), epoch=40)
    run_folders.end(run, "completed", "All 40 epochs done.")
    before = run.config_file.read_bytes()
    monkeypatch.setattr(requirements, "machine", lambda workspace: replace(HERE, memory_free=10**6))
    with pytest.raises(ValueError, match="of memory"):
        launch.extend(run, 1000)
    assert run.config_file.read_bytes() == before and not run.attempts.exists()


def test_a_refused_start_leaves_no_run(tmp_path, workspace, monkeypatch):
    monkeypatch.setattr(requirements, "machine", lambda workspace: replace(HERE, memory_free=10**8))
    before = runs.all_runs(workspace)
    with pytest.raises(ValueError, match=r"^The training needs an estimated 0\.9 GB of memory; 0\.1 GB are free"):
        launch.start(workspace, tiny_config(), "tiny")
    assert runs.all_runs(workspace) == before


def test_a_clip_that_changed_since_the_scan_is_named(tmp_path):
    workspace = make_workspace(tmp_path)
    first, second = manifest.read_splits(workspace)["val"][:2]
    path = workspace.raw / first.path
    path.write_bytes(path.read_bytes())  # the same size and another time
    (workspace.raw / second.path).unlink()
    found = preflight.problems(workspace, tiny_config())
    assert f"Clip {second.path} is missing on disk." in found[0] and f"Clip {first.path} is changed" in found[1]


@pytest.mark.parametrize("call", ["open_file", "write", "fsync", "replace"])
def test_a_disk_that_fails_at_the_start_leaves_no_half_made_run(workspace, monkeypatch, call):
    before = runs.all_runs(workspace)
    for number in (1, 3):  # of a configuration, a request and a queue
        calls, work = iter(range(1, 100)), getattr(durable, call)

        def failing(*given, work=work, calls=calls, number=number):
            if next(calls) == number:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return work(*given)

        with monkeypatch.context() as patch:
            patch.setattr(durable, call, failing)
            with pytest.raises(OSError, match=rf"Input/output error: '{workspace.runs}/"):
                launch.start(workspace, tiny_config(), "tiny")
        assert runs.all_runs(workspace) == before
