"""The app as users start it, on a free port, with a workspace of the test's own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trainer.workspace import PROJECT_ROOT, Workspace


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class App:
    """A running server."""

    process: subprocess.Popen
    address: str

    def end(self, number: signal.Signals) -> None:
        """End the server as a user would (SIGINT) or as the machine might (SIGKILL)."""
        os.killpg(self.process.pid, number)
        self.process.wait(20)


def start(workspace: Workspace, port: int) -> App:
    """Start the server in a process group of its own, as a terminal does, and wait until it answers."""
    command = [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.headless=true", f"--server.port={port}"]
    with open(workspace.root / "server.log", "ab") as log:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdout=log, stderr=log, process_group=0,
            env=os.environ | {"WAKEWORD_ROOT": str(workspace.root)},
        )  # fmt: skip
    app = App(process, f"http://127.0.0.1:{port}")
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{app.address}/_stcore/health", timeout=1):
                return app
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no answer: {(workspace.root / 'server.log').read_text()[-2000:]}")


@contextmanager
def running(workspace: Workspace) -> Iterator[App]:
    app = start(workspace, free_port())
    try:
        yield app
    finally:
        if app.process.poll() is None:
            app.end(signal.SIGKILL)
