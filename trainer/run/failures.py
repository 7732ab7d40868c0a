"""How an attempt ended, why it failed, and what to try next."""

from __future__ import annotations

import errno
import shutil
import signal as signals
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from trainer.config import config_file
from trainer.config.config_file import ConfigError
from trainer.config.schema import Config
from trainer.estimates import requirements
from trainer.estimates.requirements import Machine
from trainer.run import runs
from trainer.run.documents import Failure, FailureKind, Outcome, Progress
from trainer.run.runs import Run, Status
from trainer.run.state import Ended
from trainer.system import devices, durable, liveness, log_lines
from trainer.system.log_lines import clock_time

GO_ON = "then resume the run from its last checkpoint."
_ON_CPU = Machine(cores=1, memory_total=0, memory_free=0, disk_free=0)
_SENTENCES = {
    "gpu_lost": "The GPU failed or its driver was reset. Check that nvidia-smi shows it, {go_on}",
    "disk_error": "The disk that holds {path} reports errors. Check the system log and back up your data, {go_on}",
    "read_only": "Make {path} writable for the user that runs Wakeword Studio, {go_on}",
    "too_many_files": "Raise the limit of open files (ulimit -n) in the shell that starts Wakeword Studio, {go_on}",
    "folder_gone": "The folder of a run must not be moved while it trains. Start a new run.",
    "clip_missing": "Restore {path} in data/raw and resume the run, or scan and split again on the Dataset page and "
    "start a new run.",
    "clip_unreadable": "Repair or remove {path}, scan and split again on the Dataset page, then start a new run.",
    "not_finite": "Lower optimizer.learning_rate on the Configuration page and start a new run. A resumed run "
    "would fail at the same place.",
    "lost": "The machine was switched off or the process was killed. Resume the run from its last checkpoint.",
    "killed": "A user or a limit of the system killed the process. Remove the cause, {go_on}",
    "crashed": "A library crashed; the log shows where. Resume the run. If it crashes again, try training.compile "
    "off or another training.device.",
}


def advice(status: Status) -> list[str]:
    """What to try next with a failed or lost run; empty for another run or an unknown kind of failure."""
    failure = status.outcome.failure if status.outcome else None
    if status.state == "lost":
        failure = Failure(kind="lost")
    if failure is None:
        return []
    by_size = failure.kind in ("gpu_memory", "host_memory", "disk_full")  # only these depend on the configuration
    return advice_on(failure, _config(status.run) if by_size else None)


def explain_unknown(status: Status) -> str:
    """Why the state of a run is unknown, and what to do."""
    age = liveness.age_seconds(runs.beats(status.run))
    last = "" if age is None else f" Its files last changed {clock_time(max(0.0, age))} ago."
    where = f"on {status.host}" if status.host else "on another machine"
    return (
        f"The state of this run is unknown: it was started {where}, whose processes are not visible from here."
        f"{last} If it is running, Stop Training and Pause still reach it through its folder. If it has ended, Resume "
        "continues it here from its last checkpoint."
    )


def _config(run: Run) -> Config | None:
    try:
        return config_file.load(run.config_file)
    except (OSError, ConfigError):
        return None


def advice_on(failure: Failure, config: Config | None) -> list[str]:
    """What to try next, the best first; `config` is that of the run, None when it cannot be read."""
    match failure.kind:
        case "gpu_memory" | "host_memory":
            return _memory_advice(failure, config)
        case "disk_full":
            return _disk_advice(failure, config)
        case "other":
            return []
    return [_SENTENCES[failure.kind].format(path=failure.path or "the folder", go_on=GO_ON)]


def _memory_advice(failure: Failure, config: Config | None) -> list[str]:
    """The batch size that fits, and what else to try."""
    where = "the GPU" if failure.kind == "gpu_memory" else "this machine"
    there = f"the {failure.free_bytes / 1e9:.1f} GB that were free on {where}" if failure.free_bytes else where
    found = [f"Close other programs that use memory of {where}, {GO_ON}"]
    if config:
        fits, size = fitting_batch_size(failure, config), config.training.batch_size
        smaller = f"Start a new run with training.batch_size {fits} instead of {size}, which should fit in {there}."
        found.insert(0, smaller if fits else f"Choose a smaller model: no batch size should fit in {there}.")
    return found


def fitting_batch_size(failure: Failure, config: Config) -> int:
    """The largest power of two, smaller than what failed, that fits by estimate; 0 when none does.

    Half of what failed when the free memory is unknown.
    """
    size = config.training.batch_size
    smaller = 1 << (size - 1).bit_length() - 1
    if not failure.free_bytes:
        return smaller if smaller >= 2 else 0
    free = failure.free_bytes
    here = replace(_ON_CPU, memory_free=free)
    if failure.kind == "gpu_memory":  # the figure is without the context, which the process has already
        here = replace(_ON_CPU, gpu_name="GPU", gpu_memory_free=round(free + requirements.CONTEXT_BYTES))
    fits = min(smaller, requirements.batch_size_that_fits(config, here))
    return fits if fits >= 2 else 0


def _disk_advice(failure: Failure, config: Config | None) -> list[str]:
    """How much is missing, and where."""
    path = failure.path or "the folder of the run"
    if config is None or failure.free_bytes is None:
        return [f"Free space on the disk that holds {path}, {GO_ON}"]
    need = requirements.least_disk_bytes(config)
    missing = max(0, need - failure.free_bytes)
    return [
        f"Free {missing / 1e6:,.0f} MB on the disk that holds {path}, {GO_ON} It needs {need / 1e6:,.0f} MB; "
        f"{failure.free_bytes / 1e6:,.1f} MB were free when it failed."
    ]


def outcome_now(
    attempt: int,
    state: Ended,
    reason: str,
    exit_code: int | None = None,
    signal: str | None = None,
    failure: Failure | None = None,
) -> Outcome:
    """The outcome of an attempt that ends now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Outcome(
        attempt=attempt, state=state, reason=reason, exit_code=exit_code, signal=signal, ended=now, failure=failure
    )


def outcome_of_exit(run: Run, attempt: int, exit_code: int, killed: str, memory_ran_out: bool) -> Outcome:
    """The outcome of a trainer that has exited: from its own report, else from its signal or exit code.

    `exit_code` is negative for a signal; `killed` is the reason if the supervisor killed it; `memory_ran_out`: the
    kernel killed processes meanwhile for lack of memory.
    """
    progress = durable.read_document(Progress, run.progress_file)
    own = progress if progress and progress.attempt == attempt and progress.ended else None
    name = signals.Signals(-exit_code).name if exit_code < 0 else None
    if own and own.ended and own.ended != "failed":  # reported after everything was saved
        return outcome_now(attempt, own.ended, own.reason, exit_code=None if name else exit_code, signal=name)
    if name and killed:
        kept = "; its last checkpoint is kept" if any(run.checkpoints.glob("*.pt.json")) else ""
        return outcome_now(attempt, "stopped", f"{killed}{kept}.", signal=name)
    if name:
        reason, failure = _by_signal(-exit_code, name, memory_ran_out)
        return outcome_now(attempt, "failed", reason, signal=name, failure=failure)
    reason = own.reason if own else f"The training process ended with exit code {exit_code}: {_last_line(run)}"
    return outcome_now(attempt, "failed", reason, exit_code=exit_code, failure=own.failure if own else None)


def _by_signal(number: int, name: str, memory_ran_out: bool) -> tuple[str, Failure]:
    """Reason and failure of an end by a signal that the supervisor did not send."""
    reason = f"The training process was ended by signal {number} ({name})"
    if number != signals.SIGKILL:
        return f"{reason}.", Failure(kind="crashed")
    if memory_ran_out:
        memory = devices.memory()
        where = "container" if memory.limited else "machine"
        return f"{reason}: the memory of this {where} was full.", Failure(kind="host_memory", free_bytes=memory.free)
    return f"{reason}.", Failure(kind="killed")


def _last_line(run: Run) -> str:
    return next(iter(log_lines.last_lines(run.log_file, 1)), "its log is empty.")


_BY_ERRNO: dict[int, FailureKind] = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EIO: "disk_error",
    errno.ESTALE: "disk_error",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
    errno.EMFILE: "too_many_files",
    errno.ENFILE: "too_many_files",
}


class FailedError(ValueError):
    """A training that cannot continue, with a known kind of failure; the text is a sentence."""

    def __init__(self, kind: FailureKind, sentence: str, path: str = "") -> None:
        self.failure = Failure(kind=kind, path=path)
        super().__init__(sentence)


def failure_of(error: OSError) -> Failure:
    """The failure behind an error of the operating system."""
    kind = _BY_ERRNO.get(error.errno or 0, "other")
    path = str(error.filename or "")
    return Failure(kind=kind, path=path, free_bytes=_free(path) if kind == "disk_full" and path else None)


def _free(path: str) -> int | None:
    """Bytes free on the disk that holds, or would hold, this file."""
    try:
        return shutil.disk_usage(Path(path).parent).free
    except OSError:
        return None
