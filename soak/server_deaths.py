"""P12: a training during which the server of the pages is killed, interrupted and restarted, beside one without any.

The run is started from the server's process group, and each server draws the Training page for a browser's session,
so that all that may die with a server is there to die.
"""

import json
import signal
import statistics
import subprocess
import sys

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from soak.forked import data
from soak.promise import Found
from tests.browser import app
from tests.browser.app import App
from tests.run_folders import end_all
from tests.tiny import tiny_config
from tests.waiting import PATIENCE, wait_for_epoch, wait_until
from trainer.config.schema import Config
from trainer.run import launch, runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system.workspace import PROJECT_ROOT

WAYS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
EPOCHS_A_DEATH = 45
"""A server takes some seconds to start, draw and die."""
MOST_SLOWER = 1.5
"""A server that starts wants one of the two cores for itself."""


def draw(server: App, run: Run) -> None:
    """Let the server draw the Training page, as for a browser."""
    address = f"{server.address.replace('http', 'ws', 1)}/_stcore/stream"
    asked = BackMsg()
    asked.rerun_script.query_string = f"run={run.id}"
    asked.rerun_script.page_name = "Training"
    cookie = {"Cookie": server.cookie}
    with connect(
        address, subprotocols=["streamlit"], origin=server.address, max_size=None, additional_headers=cookie
    ) as session:
        session.send(asked.SerializeToString())
        drawn = b""
        while True:
            message = ForwardMsg()
            message.ParseFromString(session.recv(timeout=PATIENCE))
            drawn += message.SerializeToString() if message.WhichOneof("type") == "delta" else b""
            if message.WhichOneof("type") == "script_finished":
                break
    assert run.id.encode() in drawn, "the run was not drawn"


def start_beside(server: App, epochs: int) -> Run:
    """Start a run by a process of the server's own group, which Ctrl-C and the end of a terminal meet too."""
    code = (
        "from pathlib import Path; from soak.server_deaths import launch, config; "
        "from trainer.system.workspace import"
        f" Workspace; print(launch.start(Workspace(Path({str(data().root)!r})), config({epochs}), 'soak').run.folder)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, check=True,
        process_group=server.process.pid,
    )  # fmt: skip
    return next(run for run in runs.all_runs(data()) if str(run.folder) == told.stdout.strip())


def config(epochs: int) -> Config:
    return tiny_config(epochs=epochs, device="cpu")


def _die(run: Run, server: App, count: int) -> tuple[int, App]:
    """Let servers die until there were so many deaths, or the training is done; returns how many, and the last one."""
    port, deaths = int(server.address.rpartition(":")[2]), 0
    while deaths < count and runs.status(run).state in ACTIVE:
        draw(server, run)
        server.end(WAYS[deaths % len(WAYS)])
        deaths += 1
        server = app.start(data(), port)
    return deaths, server


def _epoch_seconds(run: Run) -> float:
    rows = run.timing_file.read_bytes().splitlines()
    return statistics.median(json.loads(row)["seconds"] for row in rows)


def measure(count: int = 50, most_slower: float = MOST_SLOWER) -> Found:
    """So many deaths; the median epoch may take so many times as long as without."""
    epochs, server = EPOCHS_A_DEATH * count, app.start(data(), app.free_port())
    try:
        run = start_beside(server, epochs)
        wait_for_epoch(run, 2)
        deaths, server = _die(run, server, count)
        wait_until(run, "completed", "failed", "lost", seconds=900)
    finally:
        server.end(signal.SIGKILL)
    try:
        calm = launch.start(data(), config(epochs), "soak", label="calm").run
        wait_until(calm, "completed", "failed", "lost", seconds=900)
    finally:
        end_all(data())
    return _compared(run, calm, deaths, most_slower)


def _compared(run: Run, calm: Run, deaths: int, most_slower: float) -> Found:
    """The run whose servers died held against the one that had none."""
    last, found = runs.status(calm).progress.epoch, Found(deaths)
    for path in (f"checkpoints/epoch-{last:05d}.pt", "checkpoints/best.json", "metrics.jsonl"):
        if not (run.folder / path).exists() or (run.folder / path).read_bytes() != (calm.folder / path).read_bytes():
            found.wrong.append(f"{path} differs")
    if runs.status(run).attempt != 1:
        found.wrong.append(f"it took {runs.status(run).attempt} attempts")
    seconds, alone = _epoch_seconds(run), _epoch_seconds(calm)
    if seconds > most_slower * alone:
        found.wrong.append("its epochs took longer")
    found.figures = f"{last:,} epochs of {1000 * seconds:.0f} ms in the median, {1000 * alone:.0f} ms without a server"
    return found
