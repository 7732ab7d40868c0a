"""Reports a failed training: its reason, kind and facts, even on a full disk."""

from __future__ import annotations

import traceback
from contextlib import suppress

import psutil
import torch

from trainer.run import documents, failures, runs
from trainer.run.documents import Failure, Progress
from trainer.run.failures import FailedError
from trainer.run.runs import Run
from trainer.system import devices, durable
from trainer.system.log_lines import say


def report(run: Run, attempt: int, error: Exception) -> None:
    """Write the exception in one line for the supervisor, and its trace to the log.

    When the folder of the run is gone, every other error follows from that.
    """
    if runs.is_gone(run):
        say(f"The run's folder {run.folder} was deleted or moved while it trained; the training ends.")
        return
    _write(run, attempt, reason_of(error), failure_of(error))
    with suppress(OSError):  # the log may lie on a full disk too
        traceback.print_exception(error)


def _write(run: Run, attempt: int, reason: str, failure: Failure) -> None:
    """Write the reason to progress.json; if that fails, the supervisor has only the exit code."""
    earlier = durable.read_document(Progress, run.progress_file)
    blank = Progress(attempt=attempt, beat=0, phase="")
    last = earlier if earlier and earlier.attempt == attempt else blank
    changes = {"phase": "ended", "ended": "failed", "reason": reason, "failure": failure, "eta_seconds": None}
    try:
        documents.write_with_reserve(run.progress_file, last.model_copy(update=changes).model_dump())
    except OSError as write_error:
        say(f"The reason could not be written to {run.progress_file}: {write_error.strerror}. It is: {reason}")


def reason_of(error: Exception) -> str:
    """The exception in one line."""
    if isinstance(error, torch.OutOfMemoryError):
        reason = f"The GPU's memory is full. ({error})"
    elif _lacks_memory(error):
        reason = f"The memory of this machine is full. ({str(error) or 'MemoryError'})"
    elif isinstance(error, OSError) and error.filename:
        reason = f"{error.strerror}: {error.filename}."
    elif isinstance(error, (ValueError, FileNotFoundError)):
        reason = str(error)  # sentences of this application
    elif isinstance(error, RuntimeError) and "deterministic" in str(error):
        reason = f"training.exact: torch cannot do this the same way each time; turn it off. ({error})"
    else:
        reason = f"{type(error).__name__}: {error}"
    return " ".join(reason.split())


def failure_of(error: Exception) -> Failure:
    """The kind of failure behind an exception, with the free bytes of what ran out."""
    if isinstance(error, FailedError):
        return error.failure
    if isinstance(error, torch.OutOfMemoryError):
        return Failure(kind="gpu_memory", free_bytes=_gpu_bytes())
    if _lacks_memory(error):
        here = devices.memory().free + psutil.Process().memory_info().rss
        return Failure(kind="host_memory", free_bytes=here)
    if isinstance(error, RuntimeError) and "CUDA error" in str(error):
        return Failure(kind="gpu_lost")
    return failures.failure_of(error) if isinstance(error, OSError) else Failure(kind="other")


def _lacks_memory(error: Exception) -> bool:
    """Whether the machine had no memory left; torch says so in a RuntimeError."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


def _gpu_bytes() -> int | None:
    """Bytes of GPU memory that this process holds or could allocate; None when the GPU does not report them."""
    try:
        free, _ = torch.cuda.mem_get_info()
    except (RuntimeError, AssertionError):
        return None
    return int(free + torch.cuda.memory_reserved())
