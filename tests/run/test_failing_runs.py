"""Whole runs that fail, on real disks that are full or read-only and in folders that are deleted under them."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages.tools import draw, texts
from tests.run.test_launch import ENDLESS, epoch_rows, people, wait_for_epoch, wait_until
from tests.run_folders import end, end_all, make_run
from tests.tiny import make_workspace, tiny_config
from tests.waiting import wait_for
from trainer.engine.training import checkpoints
from trainer.run import documents, failures, launch, metrics, runs
from trainer.run.documents import Processes
from trainer.system import durable, log_lines, processes
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Iterator[Workspace]:
    made = make_workspace(tmp_path)
    yield made
    end_all(made)


@pytest.fixture
def disk(workspace: Workspace) -> Iterator[Path]:
    """The runs folder on a disk of its own of 400 MB, in memory, which is taken as it is written to."""
    if sys.platform != "linux":
        pytest.skip("file systems in memory are mounted on Linux alone")
    workspace.runs.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(workspace.runs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
    yield workspace.runs
    end_all(workspace)
    subprocess.run(["umount", "--lazy", str(workspace.runs)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def leave_nothing_free(disk: Path) -> None:
    """Make the disk as small as what is written on it."""
    found = os.statvfs(disk)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    remount(disk, f"size={used}")


def test_a_disk_that_fills_up_ends_the_run_as_failed_and_it_goes_on_when_there_is_room(workspace, disk):
    run = launch.start(workspace, tiny_config(epochs=20, checkpoint_minutes=0, stream_epochs=0), "tiny").run
    wait_for_epoch(run, 3)
    leave_nothing_free(disk)
    status = wait_until(run, "failed", "lost", "completed")
    assert status.state == "failed" and status.outcome.failure.kind == "disk_full"
    assert status.outcome.reason.startswith("No space left on device: ") and str(run.folder) in status.outcome.reason
    assert status.outcome.failure.free_bytes is not None and not (run.folder / documents.RESERVE).exists()
    assert not list(run.folder.rglob("*.tmp.*"))
    metrics.read_to_end(tail := metrics.Tail(), run.metrics_file)
    assert tail.unreadable == 0 and tail.place.offset == run.metrics_file.stat().st_size
    assert checkpoints.newest(run.checkpoints)
    with pytest.raises(ValueError, match=r"^The run needs 2\d\d MB of disk"):
        launch.resume(run)
    remount(disk, "size=400m")
    launch.resume(run)
    wait_until(run, "completed")
    assert [row["epoch"] for row in epoch_rows(run)] == list(range(1, 21))


def test_a_disk_with_little_room_is_refused_with_numbers_and_leaves_no_run(workspace, disk):
    remount(disk, "size=2m")
    with pytest.raises(ValueError, match=rf"^The run needs 2\d\d MB of disk; 2 MB are free in {disk}\. Free "):
        launch.start(workspace, tiny_config(), "tiny")
    assert runs.all_runs(workspace) == []


def test_a_read_only_runs_folder_is_refused_and_can_be_looked_at(workspace, disk, monkeypatch):
    run = make_run(workspace)
    end(run, "completed", "All done.")
    remount(disk, "ro")
    with pytest.raises(ValueError, match=rf"^The runs folder {disk} cannot be written to \(Read-only file system\)"):
        launch.start(workspace, tiny_config(), "tiny")
    assert runs.status(run).state == "completed" and runs.all_runs(workspace) == [run]
    monkeypatch.setenv("WAKEWORD_ROOT", str(workspace.root))
    for page in ("Training", "Runs"):
        assert "All done." in texts(draw(page, run.id)) or page == "Runs"


def delete(folder: Path) -> None:
    """As a user would: once more when something was written meanwhile."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_end(identities: list[processes.ProcessIdentity], seconds: float) -> None:
    wait_for(lambda: not any(processes.is_alive(each) for each in identities), seconds)


def test_a_run_whose_folder_is_deleted_ends_and_leaves_nothing(workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    waiting = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 2)
    found, queued = people(run), durable.read_document(Processes, waiting.process_file)
    with open(run.log_file) as log:  # to be read when it has no name any more
        for each in (waiting, run):
            delete(each.folder)
        wait_for_end([found.supervisor, found.trainer, queued.supervisor], seconds=20)
        text = log.read()
    assert "was deleted or moved while it trained; the training ends." in text and "Traceback" not in text
    assert not run.folder.exists() and not waiting.folder.exists()


def test_a_trainer_that_cannot_notice_that_its_folder_is_deleted_is_ended(workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 1)
    found = people(run)
    processes.send_signal(found.trainer, signal.SIGSTOP)
    delete(run.folder)
    wait_for_end([found.supervisor, found.trainer], seconds=10)
    assert not run.folder.exists()


def test_a_clip_that_cannot_be_read_is_named_and_the_trace_is_in_the_log(workspace):
    path = next(workspace.raw.glob("positive/*/*.wav"))
    stood = path.stat()
    path.write_bytes(b"\0" * stood.st_size)
    os.utime(path, ns=(stood.st_atime_ns, stood.st_mtime_ns))  # as a failing disk would have it
    run = launch.start(workspace, tiny_config(), "tiny").run
    outcome = wait_until(run, "failed", "completed").outcome
    name = str(path.relative_to(workspace.raw))
    assert outcome.failure == failures.Failure(kind="clip_unreadable", path=name) and name in outcome.reason
    assert any("Traceback" in line for line in log_lines.last_lines(run.log_file))


def test_a_crash_in_native_code_is_told_by_its_signal(workspace):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 1)
    processes.send_signal(people(run).trainer, signal.SIGSEGV)
    outcome = wait_until(run, "failed").outcome
    assert outcome.signal == "SIGSEGV" and outcome.failure.kind == "crashed"
    assert any("Segmentation fault" in line for line in log_lines.last_lines(run.log_file))


@pytest.fixture
def no_memory() -> Iterator[Path]:
    """A group of processes that the kernel gives next to no memory; cgroups of version 1, then of version 2."""
    for parent, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = Path(parent, f"wakeword-test-{os.getpid()}")
        try:
            group.mkdir()
            (group / limit).write_text("65536")
        except OSError:
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("no group of processes with a limit of memory can be made here")


def test_a_training_that_is_killed_for_lack_of_memory_says_so(workspace, no_memory):
    run = launch.start(workspace, tiny_config(**ENDLESS), "tiny").run
    wait_for_epoch(run, 1)
    (no_memory / "cgroup.procs").write_text(str(people(run).trainer.pid))
    outcome = wait_until(run, "failed").outcome
    assert outcome.signal == "SIGKILL" and outcome.failure.kind == "host_memory" and outcome.failure.free_bytes
    assert outcome.reason.endswith("signal 9 (SIGKILL): the memory of this machine was full.")
