"""The checks before a start: data, runs folder, device, memory and disk; and the device that a run would use."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass, replace

from trainer.audio import manifest
from trainer.config.schema import Config
from trainer.dataset import window_fit
from trainer.estimates import requirements
from trainer.estimates.requirements import Machine
from trainer.run import earlier_run, run_queue
from trainer.run.documents import Progress
from trainer.run.runs import Run
from trainer.system import devices, durable
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace


@dataclass(frozen=True)
class CheckedStart:
    """A start that passed all checks; `config.training.start_from: latest` is resolved to the id of a run."""

    config: Config
    split_fingerprint: str
    warnings: tuple[str, ...]


class StartRefusedError(ValueError):
    """A start that cannot succeed; the text is the first of its `problems`."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(problems[0])


def check_start(workspace: Workspace, config: Config) -> CheckedStart:
    """Check everything that a start needs: splits, clips, the runs folder, device, memory, disk, the earlier run.

    Raises StartRefusedError with every problem.
    """
    refusals = problems(workspace, config)
    if not refusals and (problem := earlier_run.problem(workspace, config)):
        refusals = [problem]
    if refusals:
        raise StartRefusedError(refusals)
    resolved = earlier_run.resolved(workspace, config)
    return CheckedStart(resolved, manifest.fingerprint(workspace), tuple(warnings(workspace, resolved)))


def problems(workspace: Workspace, config: Config | None) -> list[str]:
    """Problems that prevent a start, as sentences; without a configuration, those of the data and the runs folder."""
    try:
        data_problems = manifest.problems(workspace, manifest.read_splits(workspace))
    except (FileNotFoundError, ValueError) as error:
        data_problems = [str(error)]
    return data_problems + machine_problems(workspace, config)


def warnings(workspace: Workspace, config: Config) -> list[str]:
    """Warnings that do not prevent a start, as sentences."""
    from trainer.dataset import splits  # imports pandas, which takes a second

    unfit = window_fit.problem(config, window_fit.speech_seconds(workspace))
    return [*([str(unfit)] if unfit else []), *splits.voice_sentences(workspace)]


def machine_problems(workspace: Workspace, config: Config | None) -> list[str]:
    """Problems of the machine and the runs folder. A resume checks only these: its trainer checks the clips."""
    try:
        _prepare_runs(workspace)
    except ValueError as error:
        return [str(error)]
    return shortages(workspace, config, machine(workspace, config)) if config else []


def _prepare_runs(workspace: Workspace) -> None:
    """Create the runs folder and check that it is writable. Raises ValueError."""
    probe = workspace.runs / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        workspace.runs.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"The runs folder {workspace.runs} cannot be written to ({error.strerror}). "
            "Make it writable, or choose another workspace with --root or WAKEWORD_ROOT."
        ) from None


def machine(workspace: Workspace, config: Config) -> Machine:
    """The resources for a start, with the free disk of the runs folder, which may be on another disk.

    Memory of a run that this one would wait for in the queue counts as free.
    """
    here, queue = requirements.machine(workspace), run_queue.read(workspace)
    known = devices.choices(config.training.device)
    if workspace.runs.is_dir():
        here = replace(here, disk_free=shutil.disk_usage(workspace.runs).free)
    for holding in run_queue.holdings(workspace):
        if holding.run and holding.device in known and queue.slots_of(holding.device) == 1:
            here = _without(holding.run, holding.device, here)
    return here


def _without(run: Run, device: str, here: Machine) -> Machine:
    """The machine after this run has ended."""
    progress = durable.read_document(Progress, run.progress_file)
    held = int(((progress and progress.reading) or {}).get("process_memory", 0))
    gpu = here.gpu_memory_total if device != "cpu" else here.gpu_memory_free
    return replace(here, memory_free=min(here.memory_total, here.memory_free + held), gpu_memory_free=gpu)


def shortages(workspace: Workspace, config: Config, here: Machine) -> list[str]:
    """Shortages of this machine, each a sentence with numbers and the next step."""
    return [text for text in (_device(config, here), _memory(config, here), _disk(workspace, config, here)) if text]


def _device(config: Config, here: Machine) -> str:
    if config.training.device != "cuda" or here.gpu_name:
        return ""
    return "training.device is cuda, but no GPU was found. Choose auto or cpu on the Configuration page."


def _memory(config: Config, here: Machine) -> str:
    if requirements.on_gpu(config, here):
        if not here.gpu_memory_total:
            return ""  # some virtual GPUs do not report their memory
        need, free, where = requirements.gpu_memory_bytes(config), here.gpu_memory_free, f"on {here.gpu_name}"
    else:
        where = f"{'in' if here.memory_limited else 'on'} {here.name}"
        need, free = requirements.memory_bytes(config), here.memory_free
    if need <= free:
        return ""
    return (
        f"The training needs an estimated {need / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free {where}. "
        f"{requirements.fitting_sentence(config, here)} Lower training.batch_size on the Configuration page, or close "
        "other programs that use memory."
    )


def _disk(workspace: Workspace, config: Config, here: Machine) -> str:
    need = requirements.least_disk_bytes(config)
    if need <= here.disk_free:
        return ""
    return (
        f"The run needs {need / 1e6:,.0f} MB of disk; {here.disk_free / 1e6:,.0f} MB are free in {workspace.runs}. "
        f"Free {(need - here.disk_free) / 1e6:,.0f} MB there, or choose another workspace with --root or WAKEWORD_ROOT."
    )


def trains_on(config: Config, here: Machine) -> str:
    """The name of the device that a run would use."""
    if requirements.on_gpu(config, here):
        return here.gpu_name
    threads = config.training.threads or here.cores
    return f"CPU, {counted(threads, 'thread')}"
