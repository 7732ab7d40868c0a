"""A state machine of user actions, kills, reboots and corrupt files on runs of real processes, with invariants."""

import shutil
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from soak.census import supervisors, trainers
from soak.forked import data
from soak.invariants import contradiction, end_of_boot, eventually, kill, safe_epochs, send
from soak.server import EPOCHS, Server, clock_shifted
from tests.waiting import epoch_rows
from trainer.run import run_queue, runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace

DOCUMENTS = ("process", "process", "outcome", "control", "progress", "queue")
SLOTS = 2
"""Fewer than runs, so that some wait; more than one, which would hide two trainers of a run."""
TOKENS = st.sampled_from(["one", "two"])
RUNS = st.integers(0, 1)
BYTES = st.sampled_from([b"", b"\x00\xff", b"{", b"null", b"[]", b"{}"]) | st.binary(max_size=40)
YEAR = 365 * 86400.0


class Machine(RuleBasedStateMachine):
    """With the stand-in trainer; everything else is real."""

    stand_in = True
    start_seconds = 2.0
    finish_seconds = 60.0

    def __init__(self) -> None:
        super().__init__()
        root = Path(tempfile.mkdtemp(prefix="machine-"))
        shutil.copytree(data().root / "data", root / "data")
        self.workspace = Workspace(root)
        run_queue.set_slots(self.workspace, "cpu", SLOTS)
        self.servers = [Server(self.workspace, self.stand_in) for _ in range(2)]
        self.safe: dict[Run, int] = {}
        self.epochs: dict[Run, int] = {}
        self.tokens: dict[str, str] = {}

    @property
    def runs(self) -> list[Run]:
        return sorted(self.safe, key=lambda run: run.id)

    def ask(self, verb: str, *arguments: object) -> tuple[str, Any]:
        self.servers[0].ask(verb, *arguments)
        return self.servers[0].answer()

    def both(self, verb: str, *arguments: object) -> list[tuple[str, Any]]:
        for server in self.servers:
            server.ask(verb, *arguments)
        return [server.answer() for server in self.servers]

    def run(self, number: int) -> Run:
        return self.runs[number % len(self.safe)]

    def started(self, token: str, run_id: str) -> None:
        assert self.tokens.setdefault(token, run_id) == run_id, f"{token} led to a second run"
        run = Run(self.workspace.runs / run_id)
        self.safe.setdefault(run, 0)
        self.epochs.setdefault(run, EPOCHS)

    @initialize()
    def first(self):
        """Start a run, so that every rule has one."""
        self.start("one", True)

    @rule(token=TOKENS, until_it_trains=st.booleans())
    def start(self, token, until_it_trains):
        kind, result = self.ask("start", token)
        assert kind == "ok", result
        self.started(token, result)
        self.await_training(until_it_trains)

    @rule(token=TOKENS)
    def start_twice(self, token):
        for _, run_id in self.both("start", token):
            self.started(token, run_id)
        self.check()

    @rule(number=RUNS)
    def pause(self, number):
        self.ask("pause", self.run(number).id)
        self.check()

    @rule(number=RUNS, now=st.booleans())
    def stop(self, number, now):
        self.ask("stop", self.run(number).id, now)
        self.check()

    @rule(number=RUNS, until_it_trains=st.booleans())
    def resume(self, number, until_it_trains):
        self.ask("resume", self.run(number).id)
        self.await_training(until_it_trains)

    @rule(number=RUNS)
    def resume_twice(self, number):
        self.both("resume", self.run(number).id)
        self.check()

    @rule(number=RUNS)
    def extend(self, number):
        run = self.run(number)
        kind, _ = self.ask("extend", run.id, self.epochs[run] + 1)
        self.epochs[run] += kind == "ok"
        self.check()

    @rule(number=RUNS)
    def kill_trainer(self, number):
        kill(trainers(self.run(number)))
        self.check()

    @rule(number=RUNS)
    def kill_supervisor(self, number):
        kill(supervisors(self.run(number)))
        self.check()

    @rule(number=RUNS)
    def kill_both(self, number):
        run = self.run(number)
        kill(trainers(run) + supervisors(run))
        self.check()

    @rule()
    def kill_server(self):
        self.servers[0].kill()
        self.check()

    @rule(verb=st.sampled_from(["start", "resume", "stop"]), seconds=st.floats(0, 0.3))
    def kill_server_at_work(self, verb, seconds):
        if verb == "start":
            before = set(runs.all_runs(self.workspace))
            self.servers[0].ask("start", f"broken off {time.monotonic()}")
        else:
            self.servers[0].ask(verb, self.run(0).id, *([True] if verb == "stop" else []))
        time.sleep(seconds)
        self.servers[0].kill()
        if verb == "start":
            for run in set(runs.all_runs(self.workspace)) - before:
                if run.request_file.exists():
                    self.started(run.id, run.id)
        self.check()

    @rule()
    def reboot(self):
        for server in self.servers:
            server.kill()
        eventually(lambda: kill(pid for run in self.runs for pid in trainers(run) + supervisors(run)))
        for run in self.runs:
            end_of_boot(run)
        self.check()

    @rule(number=RUNS, name=st.sampled_from(DOCUMENTS), content=BYTES, dead=st.booleans())
    def damage(self, number, name, content, dead):
        """Live processes repair their process.json; of dead ones only files are left."""
        run = self.run(number)
        if dead:
            eventually(lambda: kill(trainers(run) + supervisors(run)))
        folder = self.workspace.runs if name == "queue" else run.folder
        (folder / f"{name}.json").write_bytes(content)
        self.check()
        if dead:
            self.ask("resume", run.id)
            self.check()

    @rule(number=RUNS)
    def second_supervisor(self, number):
        self.ask("_start_supervisor", self.run(number).id, ["cpu"])
        self.check()

    @rule(number=RUNS)
    def suspend(self, number):
        victims = trainers(self.run(number))
        for pid in victims:
            send(pid, signal.SIGSTOP)
        self.check()
        for pid in victims:
            send(pid, signal.SIGCONT)
        self.check()

    @rule(seconds=st.sampled_from([YEAR, -YEAR, 3600.0, 0.0]))
    def jump_clock(self, seconds):
        """The server restarts with another wall clock; states must not depend on it."""
        self.servers[0].kill()
        self.servers[0].shift = seconds
        for run in self.runs:
            eventually(partial(self.depends_on_clock, run, seconds))
        self.check()

    @rule(seconds=st.floats(0.05, 1.5))
    def wait(self, seconds):
        time.sleep(seconds)
        self.check()

    def await_training(self, wait: bool) -> None:
        """Wait for any trainer if `wait`, then check."""
        deadline = time.monotonic() + self.start_seconds
        while wait and not any(trainers(run) for run in self.runs) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.check()

    def depends_on_clock(self, run: Run, seconds: float) -> str:
        return "" if self.seen(run) == self.seen(run, seconds) else f"the state of {run.id}"

    def seen(self, run: Run, shift: float = 0.0) -> str:
        with clock_shifted(shift):
            return runs.status(run).state

    def check(self) -> None:
        """Check the invariants."""
        training = {run.id: trainers(run) for run in self.runs}
        assert all(len(pids) <= 1 for pids in training.values()), f"{training} train at once"
        assert sum(map(len, training.values())) <= SLOTS, f"{training} train on {SLOTS} slots"
        for run in self.runs:
            eventually(partial(contradiction, run))
            self.safe[run] = safe_epochs(run, self.safe[run])

    def teardown(self) -> None:
        """Every run can be completed, with every epoch once."""
        try:
            deadline = time.monotonic() + self.finish_seconds
            for run in self.runs:
                self.finish(run, deadline)
        finally:
            for server in self.servers:
                server.kill()
            eventually(lambda: kill(pid for run in self.runs for pid in trainers(run) + supervisors(run)))
            shutil.rmtree(self.workspace.root)

    def finish(self, run: Run, deadline: float) -> None:
        while (state := runs.status(run).state) not in ("completed", "damaged"):
            assert time.monotonic() < deadline, f"{run.id} is {state} and does not complete"
            if state not in ACTIVE:
                self.ask("resume", run.id)
            self.check()
            time.sleep(0.1)
        if state == "completed":
            assert [row["epoch"] for row in epoch_rows(run)] == list(range(1, self.epochs[run] + 1))
