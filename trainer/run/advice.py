"""What to try after a training that failed or was lost, or of which it is not known whether it goes on."""

from __future__ import annotations

from dataclasses import replace

from trainer.config import config_file
from trainer.config.config_file import ConfigError
from trainer.config.schema import Config
from trainer.estimates import requirements
from trainer.estimates.requirements import Machine
from trainer.run import runs
from trainer.run.failures import Failure
from trainer.run.runs import Run, Status
from trainer.system import liveness
from trainer.system.log_lines import clock_time

GO_ON = "then resume the run: it goes on from its last checkpoint."
_ON_CPU = Machine(cores=1, memory_total=0, memory_free=0, disk_free=0)
_SENTENCES = {
    "gpu_lost": "The GPU failed or its driver was reset: see whether nvidia-smi still shows it, {go_on}",
    "disk_error": "The disk of {path} does not work as it should: look into the system's log and save what you need, "
    "{go_on}",
    "read_only": "Make {path} writable for the user that runs the studio, {go_on}",
    "too_many_files": "Raise the limit of open files (ulimit -n) where the studio is started, {go_on}",
    "folder_gone": "The folder of a run must stay in its place while it trains. Start the training anew.",
    "clip_missing": "Bring {path} back to data/raw and resume the run, or scan and split again on the Dataset page and "
    "start anew.",
    "clip_unreadable": "Mend or remove {path}: scan and split again on the Dataset page, then start anew.",
    "not_finite": "Lower optimizer.learning_rate on the Configuration page and start anew; a resumed run would come to "
    "the same place.",
    "lost": "The machine was switched off or the process was ended from outside. Resume the run: it goes on from its "
    "last checkpoint.",
    "killed": "Somebody, or a limit of the system, ended the process. See to it that this does not come again, {go_on}",
    "crashed": "A library broke off the process; the log tells where. Resume the run; if it breaks off again, try "
    "training.compile off or another training.device.",
}  # fmt: skip


def of_run(status: Status) -> list[str]:
    """What to try with this run; nothing when it has not failed, or for a reason of no known kind."""
    failure = status.outcome.failure if status.outcome else None
    if status.state == "lost":
        failure = Failure(kind="lost")
    if failure is None:
        return []
    by_size = failure.kind in ("gpu_memory", "host_memory", "disk_full")  # else its options are not asked for
    return sentences(failure, _config(status.run) if by_size else None)


def unknown(status: Status) -> str:
    """Why it is not known whether a run goes on, and what to do."""
    age = liveness.age_seconds(runs.beats(status.run))
    last = "" if age is None else f" Its files last changed {clock_time(max(0.0, age))} ago."
    where = f"on {status.host}" if status.host else "on another machine"
    return (
        f"It is not known whether this run goes on: it was started {where}, whose processes cannot be seen from here."
        f"{last} Stop Training and Pause reach it through its folder if it does. If it has ended, Resume lets it go on "
        "here from its last checkpoint."
    )


def _config(run: Run) -> Config | None:
    try:
        return config_file.load(run.config_file)
    except (OSError, ConfigError):
        return None


def sentences(failure: Failure, config: Config | None) -> list[str]:
    """What to try, the best first; `config` is the run's, None when it cannot be read."""
    match failure.kind:
        case "gpu_memory" | "host_memory":
            return _memory(failure, config)
        case "disk_full":
            return _disk(failure, config)
        case "other":
            return []
    return [_SENTENCES[failure.kind].format(path=failure.path or "the folder", go_on=GO_ON)]


def _memory(failure: Failure, config: Config | None) -> list[str]:
    """Which batch size fits into what there was, and what else takes less."""
    where = "the GPU" if failure.kind == "gpu_memory" else "this machine"
    there = f"the {failure.free_bytes / 1e9:.1f} GB that {where} had for it" if failure.free_bytes else where
    found = [f"End what else holds memory on {where}, {GO_ON}"]
    if config:
        fits, size = fitting_batch_size(failure, config), config.training.batch_size
        smaller = f"Start anew with training.batch_size {fits} instead of {size}; by estimate that fits into {there}."
        found.insert(0, smaller if fits else f"Take a smaller model; by estimate no batch size fits into {there}.")
    return found


def fitting_batch_size(failure: Failure, config: Config) -> int:
    """The largest power of two, smaller than what failed, that fits by estimate; 0 when none does.

    Without a figure of what there was, half of what failed.
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


def _disk(failure: Failure, config: Config | None) -> list[str]:
    """How much is missing, and where."""
    path = failure.path or "the folder of the run"
    if config is None or failure.free_bytes is None:
        return [f"Free some room on the disk that holds {path}, {GO_ON}"]
    need = requirements.least_disk_bytes(config)
    missing = max(0, need - failure.free_bytes)
    return [
        f"Free {missing / 1e6:,.0f} MB on the disk that holds {path}, {GO_ON} It needs {need / 1e6:,.0f} MB; "
        f"{failure.free_bytes / 1e6:,.1f} MB were free when it failed."
    ]
