"""P12: a training during which the server of the pages is killed, interrupted and restarted, compared with one alone.

The run is started from the server's process group, and each server draws the Training page for a browser session, so
that everything that could die with a server is there.
"""

import json
import signal
import statistics
import subprocess
import sys

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from soak.forked import data
from soak.promise import Measurement
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
"""A server that starts needs one of the two cores."""


def draw(server: App, run: Run) -> None:
    """Make the server draw the Training page, as for a browser."""
    address = f"{server.address.replace('http', 'ws', 1)}/_stcore/stream"
    request = BackMsg()
    request.rerun_script.query_string = f"run={run.id}"
    request.rerun_script.page_name = "Training"
    cookie = {"Cookie": server.cookie}
    protocols, origin = [Subprotocol("streamlit")], Origin(server.address)
    with connect(address, subprotocols=protocols, origin=origin, max_size=None, additional_headers=cookie) as session:
        session.send(request.SerializeToString())
        drawn = b""
        while True:
            message = ForwardMsg()
            message.ParseFromString(session.recv(timeout=PATIENCE))
            drawn += message.SerializeToString() if message.WhichOneof("type") == "delta" else b""
            if message.WhichOneof("type") == "script_finished":
                break
    assert run.id.encode() in drawn, "the run was not drawn"


def start_beside(server: App, epochs: int) -> Run:
    """Start a run by a process in the server's group, which gets the signals of Ctrl-C and of a closed terminal."""
    code = (
        "from pathlib import Path; from soak.server_deaths import launch, config; "
        "from trainer.system.workspace import"
        f" Workspace; print(launch.start(Workspace(Path({str(data().root)!r})), config({epochs}), 'soak').run.folder)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, check=True,
        process_group=server.process.pid,
    )  # fmt: skip
    return next(run for run in runs.all_runs(data()) if str(run.folder) == done.stdout.strip())


def config(epochs: int) -> Config:
    return tiny_config(epochs=epochs, device="cpu")


def _die(run: Run, server: App, count: int) -> tuple[int, App]:
    """End `count` servers, or as many as the training lasts; returns how many, and the last server."""
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


def measure(count: int = 50, most_slower: float = MOST_SLOWER) -> Measurement:
    """`count` deaths; the median epoch may take up to `most_slower` times as long as without."""
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


def _compared(run: Run, calm: Run, deaths: int, most_slower: float) -> Measurement:
    """Compare the run whose servers died with the one without a server."""
    progress, measured = runs.status(calm).progress, Measurement(deaths)
    assert progress is not None
    for path in (f"checkpoints/epoch-{progress.epoch:05d}.pt", "checkpoints/best.json", "metrics.jsonl"):
        if not (run.folder / path).exists() or (run.folder / path).read_bytes() != (calm.folder / path).read_bytes():
            measured.wrong.append(f"{path} differs")
    if runs.status(run).attempt != 1:
        measured.wrong.append(f"it took {runs.status(run).attempt} attempts")
    seconds, alone = _epoch_seconds(run), _epoch_seconds(calm)
    if seconds > most_slower * alone:
        measured.wrong.append("its epochs took longer")
    measured.figures = (
        f"{progress.epoch:,} epochs of {1000 * seconds:.0f} ms in the median, {1000 * alone:.0f} ms without a server"
    )
    return measured
