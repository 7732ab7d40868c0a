"""How an attempt ended: from the trainer's last word, its exit code or its signal."""

from __future__ import annotations

import signal as signals
from datetime import UTC, datetime

from trainer.run.documents import Outcome, Progress
from trainer.run.failures import Failure
from trainer.run.runs import Run
from trainer.run.state import Ended
from trainer.system import document_file, limits, log_lines


def ended(
    attempt: int, state: Ended, reason: str, exit_code: int | None = None, signal: str | None = None,
    failure: Failure | None = None,
) -> Outcome:  # fmt: skip
    """The outcome of an attempt that ends now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Outcome(
        attempt=attempt, state=state, reason=reason, exit_code=exit_code, signal=signal, ended=now, failure=failure
    )


def of_exit(run: Run, attempt: int, exit_code: int, killed: str, memory_ran_out: bool) -> Outcome:
    """How a trainer ended that is gone: by its own last word, else by its signal or exit code.

    `exit_code` is that of the process, negative for a signal; `killed` tells why we ended it, `memory_ran_out` that the
    kernel ended processes meanwhile for lack of memory.
    """
    progress = document_file.read(Progress, run.progress_file)
    own = progress if progress and progress.attempt == attempt and progress.ended else None
    name = signals.Signals(-exit_code).name if exit_code < 0 else None
    if own and own.ended and own.ended != "failed":  # said when all was saved; what came after costs nothing
        return ended(attempt, own.ended, own.reason, exit_code=None if name else exit_code, signal=name)
    if name and killed:
        kept = "; its last checkpoint is kept" if any(run.checkpoints.glob("*.pt.json")) else ""
        return ended(attempt, "stopped", f"{killed}{kept}.", signal=name)
    if name:
        reason, failure = _by_signal(-exit_code, name, memory_ran_out)
        return ended(attempt, "failed", reason, signal=name, failure=failure)
    reason = own.reason if own else f"The training process ended with exit code {exit_code}: {_last_line(run)}"
    return ended(attempt, "failed", reason, exit_code=exit_code, failure=own.failure if own else None)


def _by_signal(number: int, name: str, memory_ran_out: bool) -> tuple[str, Failure]:
    """Reason and kind of an end by a signal that was not ours."""
    reason = f"The training process was ended by signal {number} ({name})"
    if number != signals.SIGKILL:
        return f"{reason}.", Failure(kind="crashed")
    if memory_ran_out:
        memory = limits.memory()
        where = "container" if memory.limited else "machine"
        return f"{reason}: the memory of this {where} was full.", Failure(kind="host_memory", free_bytes=memory.free)
    return f"{reason}.", Failure(kind="killed")


def _last_line(run: Run) -> str:
    return next(iter(log_lines.last_lines(run.log_file, 1)), "its log is empty.")
