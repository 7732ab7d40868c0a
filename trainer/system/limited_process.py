"""Child processes with limited memory and processor time, for work on untrusted files."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.system.workspace import PROJECT_ROOT

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
"""Each thread of a library reserves memory that counts against the limit (glibc: an arena of 64 MB or more), and there
may be one process per core."""

NO_MEMORY = ("bfc_arena", "allocate", "bad_alloc")
"""Words in messages of onnxruntime about memory that cannot be allocated."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code (negative: the signal; None: killed after the time limit) and its standard
    output."""

    code: int | None
    output: bytes


def limit_memory(more_bytes: int) -> None:
    """Limit the address space of this process to this much beyond its present size, and disable core files."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # macOS has no such limit, Windows no such module
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + more_bytes, used + more_bytes))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_processor(more_seconds: float) -> None:
    """Limit the processor time of this process from now on; the kernel then ends it (SIGPROF). Each call sets a new
    limit.

    By a timer, not by RLIMIT_CPU: that limit is absolute and counted in ticks of the scheduler, which on a busy machine
    run several percent fast. A process that works for minutes would be ended before it has computed for long.
    """
    with contextlib.suppress(AttributeError, OSError):  # Windows has no such timer
        signal.setitimer(signal.ITIMER_PROF, max(1.0, more_seconds))


def describe_exit(code: int) -> str:
    """Why a process failed, in words."""
    if code >= 0:
        return f"it failed ({code})"
    if code in (-signal.SIGPROF, -signal.SIGKILL):
        return "it computed for too long" if code == -signal.SIGPROF else "it took too much memory"
    return f"it crashed ({signal.Signals(-code).name})"


def describe_model_error(error: BaseException) -> str:
    """Why onnxruntime cannot run a model; follows the name of the model in a sentence."""
    lines = str(error).splitlines() or [type(error).__name__]
    if isinstance(error, MemoryError) or any(words in str(error) for words in NO_MEMORY):
        return "takes too much memory"
    return f"cannot be run ({lines[0][:200]})"


def start(module: str, **more: Any) -> subprocess.Popen[bytes]:  # noqa: ANN401 - what Popen takes
    """Start `python -m MODULE` with pipes to its input and output; the module sets its own limits. Raises OSError."""
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
        env=os.environ | ONE_THREAD,
        **more,
    )


def run(module: str, pieces: Sequence[bytes], seconds: float) -> Ended:
    """Run `python -m MODULE` with these pieces as its input, for at most `seconds`. Raises OSError."""
    with start(module) as process:
        try:
            output, _ = process.communicate(b"".join(pieces), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return Ended(None, b"")
        return Ended(process.returncode, output)
