"""A process that does what users ask for, as the server of the pages does; it can be killed, and its clock shifted."""

import datetime
import os
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

from soak.forked import FORKS
from tests.tiny import tiny_config
from trainer.run import launch, runs
from trainer.system import processes
from trainer.system.workspace import Workspace

EPOCHS = 5


@contextmanager
def clock_shifted(seconds: float):
    """Let this process see another wall clock, in another time zone; what is counted since boot stays."""
    now = time.time

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
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


def _answer(workspace: Workspace, verb: str, *given):
    """Do what is asked for; runs come and go by their id."""
    if verb == "start":
        config, token = tiny_config(epochs=EPOCHS, device="cpu"), given[0]
        return launch.start(workspace, config, "tiny", label=token, token=token).run.id
    run = runs.by_id(workspace, given[0])
    return getattr(launch, verb)(run, *given[1:])


def stand_in_starter() -> Callable:
    """In place of `processes.start_detached`: starts the stand-in's supervisor where the real one is asked for."""
    detached = processes.start_detached

    def start_detached(arguments, log, environment):
        named = ["soak.stand_in_supervisor" if word == "trainer.run.supervisor" else word for word in arguments]
        detached(named, log, environment)

    return start_detached


def serve(root: Path, commands: Connection, stand_in: bool, shift: float) -> None:
    """Answer until the other end is closed: (`ok`, result), (`refused`, sentence) or (`broke`, trace)."""
    if stand_in:
        processes.start_detached = stand_in_starter()
    with clock_shifted(shift):
        while True:
            try:
                asked = commands.recv()
            except EOFError:
                return
            try:
                commands.send(("ok", _answer(Workspace(root), *asked)))
            except ValueError as error:
                commands.send(("refused", str(error)))
            except Exception:
                commands.send(("broke", traceback.format_exc()))


class Server:
    """The other end: a process that is started when it is first asked."""

    def __init__(self, workspace: Workspace, stand_in: bool) -> None:
        self.workspace, self.stand_in, self.shift = workspace, stand_in, 0.0
        self.process = self.commands = None

    def ask(self, verb: str, *given: object) -> None:
        if self.process is None:
            self.commands, there = FORKS.Pipe()
            arguments = (self.workspace.root, there, self.stand_in, self.shift)
            self.process = FORKS.Process(target=serve, args=arguments, daemon=True)
            self.process.start()
            there.close()
        self.commands.send((verb, *given))

    def answer(self) -> tuple[str, object]:
        """Raises AssertionError with the trace of what should have been a sentence."""
        kind, said = self.commands.recv()
        assert kind != "broke", said
        return kind, said

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.join()
            self.commands.close()
            self.process = None
