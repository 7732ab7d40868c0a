"""A process that acts for users as the server of the pages does; it can be killed, and its clock shifted."""

import datetime
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from soak.forked import FORKS
from tests.tiny import tiny_config
from trainer.run import launch, runs
from trainer.system import processes
from trainer.system.workspace import Workspace

EPOCHS = 5


@contextmanager
def clock_shifted(seconds: float) -> Iterator[None]:
    """Shift the wall clock of this process and change its time zone; monotonic clocks are unchanged."""
    now = time.time

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return super().now(tz) + datetime.timedelta(seconds=seconds)

    zone = {"TZ": "Pacific/Apia" if seconds else "UTC"}
    with (
        mock.patch("time.time", lambda: now() + seconds),
        mock.patch.object(launch, "datetime", Shifted),
        mock.patch.dict(os.environ, zone),
    ):
        time.tzset()
        yield
    time.tzset()


def _answer(workspace: Workspace, verb: str, *arguments: Any) -> Any:
    """Do what is requested; runs are passed by id."""
    if verb == "start":
        config, token = tiny_config(epochs=EPOCHS, device="cpu"), arguments[0]
        return launch.start(workspace, config, "tiny", label=token, token=token).run.id
    run = runs.by_id(workspace, arguments[0])
    return getattr(launch, verb)(run, *arguments[1:])


def stand_in_starter() -> Callable:
    """A `processes.start_detached` that starts the stand-in's supervisor instead of the real one."""
    real = processes.start_detached

    def start_detached(arguments, log, environment):
        changed = ["soak.stand_in_supervisor" if word == "trainer.run.supervisor" else word for word in arguments]
        real(changed, log, environment)

    return start_detached


def serve(root: Path, commands: Connection, stand_in: bool, shift: float) -> None:
    """Answer until the other end is closed: (`ok`, result), (`refused`, sentence) or (`broke`, traceback)."""
    if stand_in:
        processes.start_detached = stand_in_starter()
    with clock_shifted(shift):
        while True:
            try:
                request = commands.recv()
            except EOFError:
                return
            try:
                commands.send(("ok", _answer(Workspace(root), *request)))
            except ValueError as error:
                commands.send(("refused", str(error)))
            except Exception:
                commands.send(("broke", traceback.format_exc()))


class Server:
    """The other end; the process is started by the first request."""

    def __init__(self, workspace: Workspace, stand_in: bool) -> None:
        self.workspace, self.stand_in, self.shift = workspace, stand_in, 0.0
        self.process: Any = None
        self.commands: Any = None

    def ask(self, verb: str, *arguments: object) -> None:
        if self.process is None:
            self.commands, there = FORKS.Pipe()
            served = (self.workspace.root, there, self.stand_in, self.shift)
            self.process = FORKS.Process(target=serve, args=served, daemon=True)
            self.process.start()
            there.close()
        self.commands.send((verb, *arguments))

    def answer(self) -> tuple[str, object]:
        """The answer; raises AssertionError with the traceback of an unexpected error."""
        kind, result = self.commands.recv()
        assert kind != "broke", result
        return kind, result

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.join()
            self.commands.close()
            self.process = None
