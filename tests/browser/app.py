"""The app as users start it, on a free port, with a workspace of the test's own."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from playwright.sync_api import BrowserContext

from tests import fork_server
from tests.fork_server import Forked
from tests.waiting import PATIENCE, ticks
from trainer.system import access_token
from trainer.system.workspace import PROJECT_ROOT, Workspace


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class App:
    """A running server; `address` is without the token."""

    process: subprocess.Popen | Forked
    address: str
    workspace: Workspace

    @property
    def entrance(self) -> str:
        """The address with the token, as it is printed."""
        return f"{self.address}/?token={access_token.read(self.workspace)}"

    @cached_property
    def cookie(self) -> str:
        """The cookie that a browser gets at the entrance, as a request carries it."""
        with closing(http.client.HTTPConnection(self.address.partition("//")[2], timeout=PATIENCE)) as connection:
            connection.request("GET", self.entrance.removeprefix(self.address))
            return connection.getresponse().headers["set-cookie"].partition(";")[0]

    def let_in(self, browser: BrowserContext) -> None:
        """Give a browser the cookie, from the server itself."""
        assert browser.request.get(self.entrance, max_redirects=0).status == 303

    def end(self, number: signal.Signals) -> None:
        """End the server as a user would (SIGINT) or as the machine might (SIGKILL)."""
        os.killpg(self.process.pid, number)
        self.process.wait(PATIENCE)


def start(workspace: Workspace, port: int, host: str = "127.0.0.1", anew: bool = False, **environment: str) -> App:
    """Start the server in a process group of its own, as a terminal does, and wait until it answers.

    It is forked from a process that has imported Streamlit, and its trainings from one with torch, unless `anew`.
    """
    words = ["run", "app.py", f"--server.port={port}", f"--server.address={host}"]
    own = {"STREAMLIT_SERVER_HEADLESS": "true"} | {
        name: value for name, value in os.environ.items() if name != access_token.VARIABLE
    }
    with open(workspace.root / "server.log", "ab") as log:
        command = [sys.executable, "-m", "streamlit", *words]
        own |= {"WAKEWORD_ROOT": str(workspace.root)} | environment
        process = (
            subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=log, stderr=log, process_group=0, env=own)
            if anew
            else fork_server.start_pages(words, log, own)
        )
    app = App(process, f"http://127.0.0.1:{port}", workspace)
    wait_until_it_answers(app.address, workspace.root / "server.log")
    return app


def wait_until_it_answers(address: str, log: Path) -> None:
    for _ in ticks(PATIENCE):
        with suppress(OSError), urllib.request.urlopen(f"{address}/_stcore/health", timeout=PATIENCE):
            return
    raise AssertionError(f"no answer: {log.read_text()[-2000:]}")


@contextmanager
def running(workspace: Workspace, *browsers: BrowserContext, **environment: str) -> Iterator[App]:
    """The app, which lets these browsers in."""
    app = start(workspace, free_port(), **environment)
    try:
        for browser in browsers:
            app.let_in(browser)
        yield app
    finally:
        if app.process.poll() is None:
            app.end(signal.SIGKILL)
