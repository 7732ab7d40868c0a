"""TensorBoard of a workspace: one process, on this machine alone, that outlives whoever started it."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from tests import fork_server
from tests.run_folders import make_run
from tests.waiting import PATIENCE, wait_for
from trainer.engine.training import journal
from trainer.run import tensorboard
from trainer.run.tensorboard import Server
from trainer.system import processes
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Iterator[Workspace]:
    made = Workspace(tmp_path)
    yield made
    found = tensorboard.running(made)
    if found and found.identity:
        processes.send_signal(found.identity, signal.SIGKILL)


def verb(workspace: Workspace, *arguments: str) -> dict:
    done = fork_server.command("--root", workspace.root, "--json", "tensorboard", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asked(address: str, what: str) -> object:
    with urllib.request.urlopen(f"{address}data/{what}") as answer:
        return json.load(answer)


def test_it_starts_once_shows_the_runs_and_ends(workspace):
    """Two are started at the same moment; the curves come from the server that a browser would ask."""
    run = make_run(workspace)
    journal.open_event_file(run)
    tensorboard.start(workspace)
    address = verb(workspace)["address"]
    found = tensorboard.wait(workspace)
    assert found.address == address and urllib.parse.urlsplit(address).hostname == "127.0.0.1"
    process = psutil.Process(found.identity.pid)
    listening = [each.laddr.ip for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"] and os.getpid() not in [each.pid for each in process.parents()]
    root = f"http://{urllib.parse.urlsplit(address).netloc}/"
    for path in ("", "data/runs", "data/plugins_listing", "//data/runs", "index.html", "x/../data/runs"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(root + path)
    name = f"{run.id}/tensorboard"
    wait_for(lambda: name in asked(address, "runs"))
    query = urllib.parse.urlencode({"run": name, "tag": "epoch/val_loss"})
    curve = asked(address, f"plugin/scalars/scalars?{query}")
    assert [step for _, step, _ in curve] == [30, 60, 90]
    children = process.children(recursive=True)
    assert verb(workspace, "--stop") == {"stopped": True} and tensorboard.running(workspace) is None
    assert not psutil.wait_procs(children, timeout=PATIENCE)[1], "a process is left"
    assert verb(workspace, "--stop") == {"stopped": False}


def test_a_process_of_an_earlier_boot_or_one_that_never_came_is_none(workspace):
    workspace.jobs.mkdir(parents=True)
    identity = processes.identity_of(os.getpid())

    def write(**changes: object) -> None:
        found = Server(boot_id=processes.boot_id(), clock=processes.boot_clock(), address="http://127.0.0.1:1/")
        text = found.model_copy(update=changes).model_dump_json()
        tensorboard.state_file(workspace).write_text(text)

    write(identity=identity)
    assert tensorboard.running(workspace)
    write(identity=identity.model_copy(update={"start_ticks": 1}))
    assert tensorboard.running(workspace) is None
    write(address="", clock=processes.boot_clock() - 61)
    assert tensorboard.running(workspace) is None
    tensorboard.log_file(workspace).write_text("there was no port\n")
    with pytest.raises(ValueError, match=r"^TensorBoard did not start \(there was no port\); see "):
        tensorboard.wait(workspace)


def test_the_command_that_opens_it_is_one_that_works(workspace):
    command = tensorboard.command(workspace)
    assert command.endswith(f" -m tensorboard.main --logdir {workspace.runs} --host 127.0.0.1")
    done = subprocess.run([*command.split(), "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip()
