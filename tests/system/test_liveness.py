"""What proves that a run lives or is dead, and what proves neither; real processes look from other namespaces too."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from pages.ui.shared import run_notice
from soak.server import stand_in_starter
from tests.run_folders import end_all, make_run, slow_start
from tests.tiny import make_workspace, tiny_config
from tests.waiting import PATIENCE, people, wait_for, wait_for_epoch, wait_until
from trainer.catalog import trash
from trainer.cli.run import status_document
from trainer.cli.terminal import Session
from trainer.run import launch, runs, tensorboard
from trainer.system import job, liveness, processes
from trainer.system.workspace import PROJECT_ROOT, Workspace

KEYS = ("lock", "seen", "same_boot", "earlier_boot", "same_machine")


def judged(local: bool = False, age: float | None = None, **changes: object) -> str:
    evidence = {"lock": "free", "seen": "unknown", "same_boot": True, "earlier_boot": False, "same_machine": True}
    asked = evidence | changes
    return liveness.judge(**asked, is_local=lambda: local, is_fresh=lambda most: age is not None and age < most)


@pytest.mark.parametrize(
    ("changes", "life"),
    [
        ({"lock": "held"}, "alive"),
        ({"lock": "held", "seen": "dead"}, "alive"),
        ({"lock": "held", "same_boot": False, "earlier_boot": True, "local": True}, "alive"),
        ({"seen": "alive"}, "alive"),
        ({"seen": "dead"}, "dead"),
        ({"seen": "dead", "age": 1.0}, "dead"),
        ({"seen": "dead", "lock": "unknown"}, "unknown"),
        ({"seen": "dead", "lock": "unknown", "age": 60.0}, "alive"),
        ({"age": 1.0}, "alive"),
        ({"age": 1.0, "local": True}, "dead"),
        ({"age": 60.0}, "dead"),
        ({"same_boot": False, "earlier_boot": True, "age": 1.0, "local": True}, "dead"),
        ({"same_boot": False, "earlier_boot": True, "age": 1.0}, "alive"),
        ({"same_boot": False, "earlier_boot": True}, "dead"),
        ({"same_boot": False, "same_machine": False, "age": 60.0}, "alive"),
        ({"same_boot": False, "same_machine": False, "age": 100.0}, "unknown"),
        ({"same_boot": False, "same_machine": False, "local": True}, "unknown"),
        ({"same_boot": False, "seen": "dead"}, "dead"),
    ],
)
def test_a_verdict_follows_from_the_evidence(changes: dict, life: str):
    assert judged(**changes) == life


def test_every_combination_of_evidence_has_one_verdict():
    lives, flag, seen = ("alive", "dead", "unknown"), (True, False), set()
    for values in itertools.product(("held", "free", "unknown"), lives, flag, flag, flag):
        evidence = dict(zip(KEYS, values, strict=True))
        for local, age in itertools.product(flag, (None, 1.0, 60.0, 1000.0)):
            life = judged(local, age, **evidence)
            seen.add(life)
            assert life in lives
            if evidence["lock"] == "held" or evidence["seen"] == "alive":
                assert life == "alive"
            if life == "dead":
                known = evidence["same_boot"] or evidence["same_machine"] or evidence["earlier_boot"]
                assert known and evidence["lock"] != "held", "only what would be seen here is told dead"
    assert seen == set(lives)


SHIFTED = (
    "import time, psutil; now, boot = time.time, psutil.boot_time(); time.time = lambda: now() + 86400 * 365; "
    "psutil.boot_time = lambda: boot + 86400 * 365"
)
PROGRAM = """
import contextlib, io, json, runpy, sys
answers = []
for words in json.loads(sys.argv[1]):
    sys.argv, code = ["trainer", *words], 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            runpy.run_module("trainer", run_name="__main__")
        except SystemExit as error:
            code = error.code or 0
    answers.append((code, out.getvalue().strip() or err.getvalue().strip()))
print(json.dumps(answers))
"""
"""Commands of the command line, one after the other in one process, which spares the imports of each."""
WITHOUT_BOOT_ID = 'mount -t tmpfs none /proc/sys/kernel/random && exec "$@"'
OTHER_BOOT_ID = (
    'echo 01234567 >/run/$$ && mount --bind /run/$$ /proc/sys/kernel/random/boot_id && rm /run/$$ && exec "$@"'
)
OTHER_NAME = 'hostname another-name && exec "$@"'
VIEWS = {
    "another pid namespace": ["unshare", "--pid", "--fork", "--mount-proc"],
    "another pid namespace with the old /proc": ["unshare", "--pid", "--fork"],
    "another name of the host": ["unshare", "--uts", "sh", "-c", OTHER_NAME, "sh"],
    "another clock since boot": ["unshare", "--time", "--boottime", "1000000", "--fork"],
    "no boot_id": ["unshare", "--mount", "sh", "-c", WITHOUT_BOOT_ID, "sh"],
    "another boot_id": ["unshare", "--mount", "sh", "-c", OTHER_BOOT_ID, "sh"],
    "a wall clock of another year": [],
}
"""From where the command line is called, by the words that go before it."""


def call(view: str, workspace: Workspace, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Exit code of each command and what it said, called from there."""
    program = f"{SHIFTED if 'wall clock' in view else ''}\n{PROGRAM}"
    words = json.dumps([["--root", str(workspace.root), *command] for command in commands])
    command = [*VIEWS[view], sys.executable, "-c", program, words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT, timeout=PATIENCE)
    if done.returncode and done.stderr.startswith(("unshare:", "mount:", "hostname:")):
        pytest.skip(f"not allowed here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [(code, said) for code, said in json.loads(done.stdout)]


def state(answer: tuple[int, str]) -> str:
    """The state that `--json status` told."""
    code, said = answer
    assert code == 0, said
    return json.loads(said)["state"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("data"))


@pytest.fixture
def workspace(tmp_path, data, monkeypatch):
    """With a stand-in for the trainer, which needs no torch; its supervisor is real."""
    root = tmp_path / "workspace"
    shutil.copytree(data.root, root, copy_function=shutil.copy2)
    monkeypatch.setattr(processes, "start_detached", stand_in_starter())
    made = Workspace(root)
    yield made
    end_all(made)


@pytest.mark.parametrize("view", VIEWS)
def test_a_live_run_is_told_as_such_from_anywhere_and_can_be_stopped_from_there(workspace: Workspace, view: str):
    run = launch.start(workspace, tiny_config(epochs=10_000, device="cpu"), "tiny").run
    wait_for_epoch(run, 1)
    commands = (("--json", "status", run.id), ("resume", run.id), ("stop", "--now", run.id))
    told, resumed, (code, said) = call(view, workspace, *commands)
    assert state(told) == "running"
    assert resumed == (2, f"Run {run.id} is running; there is nothing to resume.")
    assert code == 0 and ("Stopping" in said or "stopped" in said), said
    assert wait_until(run, "stopped", seconds=20).outcome.reason == "As asked."


@pytest.mark.parametrize("view", VIEWS)
def test_a_run_whose_processes_were_killed_is_told_as_lost_from_anywhere(workspace: Workspace, view: str):
    run = launch.start(workspace, tiny_config(epochs=10_000, device="cpu"), "tiny").run
    wait_for_epoch(run, 1)
    found = people(run)
    processes.send_signal(found.supervisor, signal.SIGKILL)
    processes.send_signal(found.trainer, signal.SIGKILL)
    wait_until(run, "lost", seconds=5)
    assert [state(told) for told in call(view, workspace, ("--json", "status", run.id))] == ["lost"]


def test_a_job_is_told_and_cancelled_from_another_pid_namespace(tmp_path):
    workspace, view = Workspace(tmp_path), "another pid namespace"
    job.start(workspace, "demo", ["--positives=3000"])
    wait_for(lambda: (found := job.read(workspace, "demo")) and found.done)
    code = (
        "import sys; from pathlib import Path; from trainer.system import job; "
        "from trainer.system.workspace import Workspace; "
        "here = Workspace(Path(sys.argv[1])); print(job.read(here, 'demo').state); job.cancel(here, 'demo')"
    )
    done = subprocess.run([*VIEWS[view], sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    if done.stderr.startswith("unshare:"):
        pytest.skip(f"not allowed here: {done.stderr.strip()}")
    assert done.stdout.strip() == "running", done.stderr
    wait_for(lambda: job.read(workspace, "demo").state == "cancelled")


def test_tensorboard_is_found_and_ended_from_another_pid_namespace(tmp_path):
    workspace = Workspace(tmp_path)
    tensorboard.start(workspace)
    address = tensorboard.wait(workspace).address
    commands = (("--json", "tensorboard"), ("--json", "tensorboard", "--stop"))
    (code_found, found), (code, said) = call("another pid namespace", workspace, *commands)
    assert code_found == 0 and json.loads(found)["address"] == address, found
    assert code == 0 and json.loads(said) == {"stopped": True}, said
    assert tensorboard.running(workspace) is None


def test_a_job_whose_interpreter_still_starts_runs_however_long_that_takes(tmp_path, monkeypatch):
    workspace, held = Workspace(tmp_path), []
    monkeypatch.setattr(processes, "start_detached", slow_start([], held))
    job.start(workspace, "scan", [])
    tensorboard.start(workspace)
    clock = processes.boot_clock
    monkeypatch.setattr(processes, "boot_clock", lambda: clock() + 3600)
    assert job.read(workspace, "scan").state == "running" and tensorboard.running(workspace)
    for lock in held:
        os.close(lock)
    assert job.read(workspace, "scan").state == "failed" and tensorboard.running(workspace) is None


ELSEWHERE = {"host": "another-machine", "boot_id": "another-boot"}


def test_a_run_of_another_machine_is_told_by_its_beat_and_else_unknown(tmp_path):
    run = make_run(Workspace(tmp_path))
    document = json.loads(run.process_file.read_text())
    document |= {name: document[name] | ELSEWHERE for name in ("supervisor", "trainer")} | ELSEWHERE
    run.process_file.write_text(json.dumps(document))
    assert runs.status(run).state == "running", "its files have just changed, on the clock of this file system"
    for path in runs.beats(run):
        if path.exists():
            os.utime(path, (time.time() - 3600,) * 2)
    status = runs.status(run)
    text = run_notice.notice(status).text
    assert status.state == "unknown" and "another-machine" in text and " 01:00:0" in text and "Resume" in text
    assert launch.stop(run, now=True) == "unknown" and runs.wanted(run, 1) == "stop"
    document = status_document(Session(Workspace(tmp_path), as_json=True), run)
    assert document["state"] == "unknown" and document["notice"].startswith(text.split(" Its files")[0])
    with pytest.raises(ValueError, match=r"is unknown\. Stop it before moving it to the trash"):
        trash.add(Workspace(tmp_path), run)


def test_a_job_of_another_machine_is_unknown_once_its_file_does_not_change(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.jobs.mkdir(parents=True)
    job._write(workspace, job._new_job("scan").model_copy(update=ELSEWHERE))
    assert job.read(workspace, "scan").state == "running"
    os.utime(workspace.jobs / "scan.json", (time.time() - 3600,) * 2)
    found = job.read(workspace, "scan")
    assert found.state == "unknown" and "another-machine" in found.message


def test_a_run_that_cannot_be_asked_for_its_age_is_unknown(tmp_path, monkeypatch):
    """As on a file system that may only be read here."""
    run = make_run(Workspace(tmp_path))
    document = json.loads(run.process_file.read_text())
    run.process_file.write_text(json.dumps(document | ELSEWHERE))
    (tmp_path / "runs" / ".clock").mkdir()
    assert runs.status(run).state == "unknown"
    assert "state of this run is unknown" in run_notice.notice(runs.status(run)).text


def test_a_resume_on_another_machine_ends_what_still_trains(workspace: Workspace):
    """Where locks do not reach, as over some network file systems: the older attempt leaves all files to the newer."""
    run = launch.start(workspace, tiny_config(epochs=10_000, device="cpu"), "tiny").run
    wait_for_epoch(run, 1)
    older = people(run)
    run.supervisor_lock.rename(run.supervisor_lock.with_name("out of reach"))
    launch._start_supervisor(run, ["cpu"])
    wait_for(lambda: runs.status(run).attempt == 2)
    wait_for(lambda: not (processes.is_alive(older.supervisor) or processes.is_alive(older.trainer)))
    assert not run.outcome_file.exists() and runs.status(run).state in ("queued", "running")
