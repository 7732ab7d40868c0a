"""Runs on a busy machine: what takes long to start, or to tell of itself, is told as it is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pages.ui.shared import run_notice
from tests import fork_server
from tests.run_folders import end_all, make_alive, make_run, slow_start, workspace_at, write_processes
from tests.tiny import make_workspace, tiny_config
from tests.waiting import people, wait_for, wait_until
from trainer.run import launch, runs, state, supervisor
from trainer.run.documents import Progress
from trainer.run.runs import Run
from trainer.system import durable, processes
from trainer.system.workspace import Workspace

SLOW_TORCH = "while True: pass\n"
"""A torch whose import goes on and on."""
SLOW_SECONDS = 12.0
SLOW_SUPERVISOR = (
    f"import runpy, sys, time; time.sleep({SLOW_SECONDS}); sys.argv[0] = 'supervisor'; "
    "runpy.run_module('trainer.run.supervisor', run_name='__main__')"
)


@pytest.fixture
def workspace(tmp_path):
    made = make_workspace(tmp_path)
    yield made
    end_all(made)


def test_a_run_is_queued_while_its_supervisor_starts_and_lost_once_that_is_gone(workspace: Workspace, monkeypatch):
    locks: list[int] = []
    monkeypatch.setattr(processes, "start_detached", slow_start([], locks))
    run = launch.start(workspace, tiny_config(), "tiny").run
    clock = processes.boot_clock
    monkeypatch.setattr(processes, "boot_clock", lambda: clock() + 3600)
    status = runs.status(run)
    assert status.state == "queued" and "starting" in run_notice.notice(status).text
    launch.stop(run, now=True)
    assert runs.status(run).state == "stopping", "a request before it has begun is left for it"
    os.close(locks[0])
    assert runs.status(run).state == "lost"


def test_a_launcher_that_dies_before_it_starts_a_supervisor_leaves_no_run_that_seems_to_live(workspace: Workspace):
    code = (
        "import os, sys; from tests.tiny import tiny_config; from trainer.run import launch; "
        "from trainer.system import processes; "
        "from trainer.system.workspace import Workspace; from pathlib import Path; "
        "processes.start_detached = lambda *rest: os._exit(9); "
        "launch.start(Workspace(Path(sys.argv[1])), tiny_config(), 'tiny')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(workspace.root)], check=False)
    (run,) = runs.all_runs(workspace)
    assert done.returncode == 9 and runs.status(run).state == "lost"


def test_a_resume_waits_for_a_slow_supervisor_and_a_second_one_starts_none(workspace: Workspace, monkeypatch):
    """Longer than the ten seconds after which it once gave up, while the run went on."""
    run = launch.start(workspace, tiny_config(epochs=10_000), "tiny").run
    launch.pause(run)
    wait_until(run, "paused")
    start = processes.start_detached
    monkeypatch.setattr(
        processes, "start_detached", lambda arguments, *rest: start(["-c", SLOW_SUPERVISOR, *arguments[2:]], *rest)
    )
    began = time.monotonic()
    assert launch.resume(run) == 2 and time.monotonic() - began > SLOW_SECONDS
    second = fork_server.command("--root", workspace.root, "resume", run.id)
    assert second.returncode == 2 and "there is nothing to resume." in second.stderr
    assert runs.status(run).attempt == 2 and runs.status(run).state in ("queued", "running")


def test_a_resume_whose_supervisor_dies_says_so_at_once(workspace: Workspace, monkeypatch):
    run = make_run(workspace)
    start = processes.start_detached
    monkeypatch.setattr(processes, "start_detached", lambda arguments, *rest: start(["-c", "pass"], *rest))
    with pytest.raises(ValueError, match=r"could not be resumed\. The end of its log says why"):
        launch.resume(run)
    assert runs.status(run).state == "lost"


@pytest.mark.anew
def test_a_trainer_that_still_imports_torch_is_running_and_starting(workspace: Workspace, tmp_path: Path, monkeypatch):
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "torch.py").write_text(SLOW_TORCH)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "slow"))
    monkeypatch.setattr(state, "SILENT_SECONDS", 5.0)
    run = launch.start(workspace, tiny_config(), "tiny").run
    wait_for(lambda: (progress := durable.read_document(Progress, run.progress_file)) and progress.phase == "starting")
    beat = durable.read_document(Progress, run.progress_file).beat
    while processes.boot_clock() - beat < 8:
        status = runs.status(run)
        assert status.state == "running" and run_notice.notice(status).text.startswith("Starting: ")
        time.sleep(0.2)
    processes.send_signal(people(run).trainer, signal.SIGSTOP)
    wait_until(run, "unresponsive", seconds=30)


@pytest.fixture
def working(tmp_path):
    """A run whose trainer and supervisor are processes that do as told, and have told nothing for long."""
    children: list[subprocess.Popen] = []
    run = make_run(workspace_at(tmp_path))

    def begin(code: str) -> tuple[Run, subprocess.Popen]:
        children.append(subprocess.Popen([sys.executable, "-c", code]))
        make_alive(run, silent_seconds=1000)
        write_processes(run, processes.identity_of(children[0].pid), processes.boot_clock() - 1000)
        return run, children[0]

    yield begin
    for child in children:
        child.kill()
        child.wait()


def look(run: Run, trainer: subprocess.Popen, last: supervisor.Pulse) -> supervisor.Pulse:
    return supervisor.update_pulse(run, 1, supervisor.Pulse(last.working, last.cpu_seconds), trainer.pid)


def test_a_silent_trainer_that_uses_the_processor_is_running(working):
    run, trainer = working("while True: pass")
    assert runs.status(run).state == "unresponsive"
    look(run, trainer, supervisor.Pulse())
    assert runs.status(run).state == "running"


def test_a_silent_trainer_that_waits_for_a_busy_process_is_running(working):
    """`training.compile` waits for a compiler, on a busy machine for longer than a silence may last."""
    compiler = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"
    run, trainer = working(
        f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {compiler!r}, str(os.getpid())])"
    )
    wait_for(lambda: processes.has_busy_child(trainer.pid))
    seen = supervisor.Pulse(cpu_seconds=1000.0)  # so its own processor time tells nothing
    wait_for(lambda: not processes.activity(trainer.pid)[1])
    look(run, trainer, seen)
    assert runs.status(run).state == "running"


@pytest.mark.parametrize("suspended", [False, True])
def test_a_silent_trainer_that_uses_none_is_unresponsive(working, suspended: bool):
    run, trainer = working("while True: pass" if suspended else "import time; time.sleep(600)")
    if suspended:
        trainer.send_signal(signal.SIGSTOP)
    last = supervisor.Pulse()

    def rests() -> bool:
        nonlocal last
        before, last = last, look(run, trainer, last)
        return before.cpu_seconds == last.cpu_seconds and runs.status(run).silent_seconds > 1

    wait_for(rests)
    silent = runs.status(run).silent_seconds
    look(run, trainer, last)
    assert runs.status(run).silent_seconds >= silent, "no look at it makes it seem to work"
