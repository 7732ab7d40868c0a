"""The last word of a training that failed: every failure has its kind, and real ones are recognised."""

import errno
import io
import os

import pytest
import torch

from soak.forked import make_run
from tests.tiny import tiny_config
from trainer.engine.training import failure_report
from trainer.run import documents
from trainer.run.documents import Progress
from trainer.run.failures import FailedError
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace


@pytest.fixture
def run(tmp_path) -> Run:
    return make_run(Workspace(tmp_path), "one", tiny_config())


def told(run: Run, error: Exception) -> Progress:
    failure_report.report(run, 1, error)
    progress = durable.read_document(Progress, run.progress_file)
    assert progress and progress.ended == "failed" and progress.failure and "\n" not in progress.reason
    return progress


def raised(work) -> Exception:
    with pytest.raises(Exception) as caught:
        work()
    return caught.value


def test_real_failures_are_recognised(run: Run):
    full = told(run, raised(lambda: torch.empty(1 << 60, dtype=torch.uint8)))
    assert full.failure.kind == "host_memory" and full.failure.free_bytes > 10**8
    assert "memory of this machine is full" in full.reason
    assert told(run, raised(lambda: bytearray(1 << 62))).failure.kind == "host_memory"
    missing = told(run, raised((run.folder / "gone" / "x").read_bytes))
    assert missing.failure.kind == "other" and f"{run.folder}/gone/x" in missing.reason


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB."), "gpu_memory"),
        (RuntimeError("CUDA error: unspecified launch failure"), "gpu_lost"),
        (FailedError("not_finite", "The training loss became nan."), "not_finite"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "disk_full"),
        (OSError(errno.EROFS, "Read-only file system", "/tmp/x"), "read_only"),
        (OSError(errno.EIO, "Input/output error", "/tmp/x"), "disk_error"),
        (OSError(errno.EMFILE, "Too many open files", "/tmp/x"), "too_many_files"),
        (ZeroDivisionError("division by zero"), "other"),
    ],
)
def test_kinds(run: Run, error: Exception, kind: str):
    progress = told(run, error)
    assert progress.failure.kind == kind
    assert (progress.failure.path == "/tmp/x" and "/tmp/x" in progress.reason) or not isinstance(error, OSError)
    assert (progress.failure.free_bytes is not None) == (kind == "disk_full")


def test_the_reserve_makes_room_for_it(run: Run, monkeypatch):
    documents.keep_reserve(run.folder)
    assert (run.folder / documents.RESERVE).stat().st_size == documents.RESERVE_BYTES

    def full(descriptor: int, data: bytes) -> int:
        if (run.folder / documents.RESERVE).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data)

    monkeypatch.setattr(durable, "write", full)
    assert "disk is full" in told(run, ValueError("The disk is full.")).reason


def test_a_disk_that_takes_nothing_and_a_log_that_cannot_be_written_raise_nothing(run: Run, monkeypatch):
    def read_only(path: str, flags: int, mode: int) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(durable, "open_file", read_only)
    with io.TextIOWrapper(open("/dev/full", "wb", buffering=0), write_through=True) as full:
        monkeypatch.setattr("sys.stderr", full)
        monkeypatch.setattr("sys.stdout", full)
        failure_report.report(run, 1, ValueError("Anything."))
        monkeypatch.undo()
    assert not run.progress_file.exists()


def test_a_folder_that_is_gone_stays_gone(run: Run):
    run.config_file.unlink()
    failure_report.report(run, 1, ValueError("Anything."))
    assert list(run.folder.iterdir()) == []
