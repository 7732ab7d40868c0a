"""P3: trainings in which the n-th disk call fails, for every n, and that are resumed afterwards.

Each run must fail with a reason that names the file, or complete if a write was short or the file is TensorBoard's. Its
rows must be readable and its checkpoints valid. Resumed, it must end with the weights, optimizer state, best.json and
metrics.jsonl of a run without faults, byte by byte. Attempts are forked from a process that has imported torch.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from soak.forked import FORKS, OFTEN, make_run, result
from soak.promise import Measurement
from tests.tiny import make_workspace, tiny_config
from trainer.engine import __main__ as engine
from trainer.engine.training import checkpoints, journal
from trainer.run import metrics
from trainer.run.documents import Progress
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

CALLS = ("open_file", "write", "fsync", "replace")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE)
SHORT = 0
"""Instead of an error: half of the bytes are written, and the call says so."""


CONFIG = tiny_config(epochs=2, batch_size=32, device="cpu", stream_epochs=0, checkpoint_minutes=OFTEN)


@dataclass(frozen=True)
class Fault:
    """The n-th call of this name fails with this error, once."""

    call: str
    number: int
    error: int

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {errno.errorcode.get(self.error, 'short')}"


@dataclass
class Calls:
    """How often an attempt made each call, and the file of the one that failed."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CALLS, 0))
    failed: str = ""


def _faulty(work: Callable, fault: Fault | None, calls: Calls, call: str) -> Callable:
    def called(*arguments: Any) -> object:
        calls.counts[call] += 1
        if fault is None or (fault.call, fault.number) != (call, calls.counts[call]):
            return work(*arguments)
        first = arguments[0]
        calls.failed = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else str(first)
        if fault.error == SHORT:
            descriptor, data = arguments
            return work(descriptor, data[: max(1, len(data) // 2)])
        raise OSError(fault.error, os.strerror(fault.error))

    return called


def attempt(run: Run, number: int, fault: Fault | None, answer: Connection) -> None:
    """One attempt in a process of its own; sends its exit code and its calls."""
    for descriptor in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    journal.WRITE_SECONDS = 1e9  # so that writes do not depend on the clock
    calls = Calls()
    for call in CALLS:
        setattr(durable, call, _faulty(getattr(durable, call), fault, calls, call))
    code = engine.train(run, number, lambda: None)
    answer.send((code, calls))


def play(run: Run, number: int, fault: Fault | None) -> tuple[int, Calls]:
    """Run an attempt to its end."""
    here, there = FORKS.Pipe()
    process = FORKS.Process(target=attempt, args=(run, number, fault, there))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError(f"The attempt with {fault} died without an answer.") from None
    finally:
        process.join()


def new_run(workspace: Workspace, name: str) -> Run:
    return make_run(workspace, name, CONFIG)


def wrong(workspace: Workspace, fault: Fault, expected: dict[str, object]) -> list[str]:
    """What a run with this fault does wrong."""
    run = new_run(workspace, f"{fault.call}-{fault.number}-{fault.error}")
    code, calls = play(run, 1, fault)
    goes_on = fault.error == SHORT or Path(calls.failed).parent == run.folder / "tensorboard"
    problems = list(_after(run, code, goes_on))
    if code:
        code, _ = play(run, 2, None)
    if code:
        problems.append("it did not complete after a resume")
    else:
        final = result(run)
        problems += [f"its {part} differ" for part in expected if final[part] != expected[part]]
    shutil.rmtree(run.folder)
    return [f"{fault}: {text}" for text in problems]


def _after(run: Run, code: int, goes_on: bool) -> Iterator[str]:
    """What is wrong after a fault; `goes_on`: the training must survive it."""
    progress = durable.read_document(Progress, run.progress_file)
    if (code == 0) != goes_on:
        yield f"it ended with exit code {code}"
    if code and (progress is None or progress.ended != "failed"):
        yield "its progress does not say that it failed"
    if code and progress and str(run.workspace.root) not in progress.reason:
        yield f"its reason names no file: {progress.reason}"
    metrics.read_to_end(tail := metrics.Tail(), run.metrics_file)
    if tail.unreadable or (run.metrics_file.exists() and tail.place.offset != run.metrics_file.stat().st_size):
        yield "its rows cannot be read"
    for mark in run.checkpoints.glob("epoch-*.pt.json"):
        checkpoints.load(run.checkpoints, mark.name.removesuffix(".json"))


def faults(counts: dict[str, int]) -> list[Fault]:
    """Every call with every error."""
    return [
        Fault(call, number, error)
        for call, count in counts.items()
        for error in ((*ERRORS, SHORT) if call == "write" else ERRORS)
        for number in range(1, count + 1)
    ]


def measure(count: int = 0) -> Measurement:
    """All faults, or `count` of them, evenly spread."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder))
        play(new_run(workspace, "first"), 1, None)  # prepares the clips for later runs
        faultless = new_run(workspace, "faultless")
        code, calls = play(faultless, 1, None)
        if code:
            raise RuntimeError("The run without faults failed.")
        every, expected = faults(calls.counts), result(faultless)
        chosen = every[:: max(1, len(every) // count)][:count] if count else every
        kinds = len({(fault.call, fault.error) for fault in chosen})
        calls_text = ", ".join(f"{number} {call}" for call, number in calls.counts.items())
        measured = Measurement(
            len(chosen), figures=f"{kinds} of {len(CALLS) * len(ERRORS) + 1} kinds; a run is {calls_text}"
        )
        for fault in chosen:
            measured.wrong += wrong(workspace, fault, expected)
    return measured
