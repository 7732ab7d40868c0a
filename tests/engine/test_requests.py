"""Pause and stop, obeyed wherever they meet a training, and a resume that ends as if there had been none."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from soak.forked import config_of, differing, make_run, result
from tests.tiny import make_workspace
from trainer.config import config_file
from trainer.engine.training import checkpoints, loop
from trainer.engine.training.session import Session
from trainer.run.documents import Best, Progress
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import PROJECT_ROOT, Workspace

LISTENING = """
import sys, time
from trainer.engine import __main__ as trainer

def train(run, attempt, wanted):
    while True:
        print(wanted(), flush=True)
        time.sleep(0.02)

trainer.train = train
trainer.ECHO_SECONDS = 0.3
trainer.main(*sys.argv[1:])
"""
"""A trainer process that hears signals and never comes to a place where it could save."""
MOST_ATTEMPTS = 200


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def attempt(workspace: Workspace, run: Run, number: int, read_request: Callable[[Session], str | None]) -> loop.End:
    """One attempt, with a request that follows from where it stands."""
    session = loop.prepare(workspace, run, number, lambda: None)
    return loop.train(dataclasses.replace(session, read_request=lambda: read_request(session)))


def go_on(workspace: Workspace, run: Run, number: int = 2) -> loop.End:
    return attempt(workspace, run, number, lambda session: None)


@pytest.fixture(scope="module")
def expected(workspace: Workspace) -> dict[str, object]:
    run = make_run(workspace, "one-go", config_of(0.0))
    go_on(workspace, run, 1)
    return result(run)


def test_paused_at_every_batch_it_ends_with_the_same_bytes(workspace: Workspace, expected):
    """Two batches make a step, so that half of these pauses meet gathered gradients."""
    run, met = make_run(workspace, "every-batch", config_of(0.0)), set()

    def read_request(session: Session) -> str | None:
        now = session.journal.progress
        place = (now.epoch, now.batch)
        if now.phase != "training" or place in met:
            return None
        met.add(place)
        return "pause"

    for number in range(1, MOST_ATTEMPTS):
        end = attempt(workspace, run, number, read_request)
        if end.state == "completed":
            break
        epoch, batch = max(met)
        assert end.state == "paused" and end.reason.startswith(f"Paused by the user in epoch {epoch}, batch {batch};")
        assert checkpoints.newest(run.checkpoints).checkpoint == checkpoints.name_mid_epoch(epoch, batch)
    assert end.state == "completed" and len(met) == number - 1 >= 4 * 5
    assert differing(run, expected) == []


def busy_with(phase: str, doing: str = "") -> Callable[[Session], bool]:
    def meets(session: Session) -> bool:
        now = session.journal.progress
        return now.phase == phase and now.doing.startswith(doing) and now.epoch >= 2

    return meets


@pytest.mark.parametrize(
    ("meets", "where"),
    [
        (busy_with("mining", "Mining hard negatives: "), "before epoch 3;"),
        (busy_with("validating"), "in epoch 2, batch "),
        (busy_with("validating", "Scoring the validation stream"), "in epoch 4, batch "),
    ],
)
@pytest.mark.parametrize(("want", "state", "words"), [
    ("stop", "stopped", "Stopped by the user"), ("signal", "stopped", "Stopped by a signal (SIGTERM)"),
])  # fmt: skip
def test_what_was_under_way_is_dropped_and_done_again(
    workspace: Workspace,
    expected,
    request,
    meets: Callable[[Session], bool],
    where: str,
    want: str,
    state: str,
    words: str,
):
    run = make_run(workspace, f"dropped-{request.node.callspec.id}", config_of(0.0))
    end = attempt(workspace, run, 1, lambda session: want if meets(session) else None)
    assert (end.state, end.reason.startswith(f"{words} {where}")) == (state, True), end.reason
    assert go_on(workspace, run).state == "completed" and differing(run, expected) == []


def test_a_request_that_was_taken_back_and_one_for_after_the_epoch_let_the_batches_go_on(
    workspace: Workspace, expected
):
    run = make_run(workspace, "after-the-epoch", config_of(0.0))
    wants = {1: "go_on", 2: "stop_after_epoch"}
    end = attempt(workspace, run, 1, lambda session: wants.get(session.journal.progress.epoch))
    assert end.state == "stopped" and end.reason.startswith("Stopped by the user after epoch 2;")
    assert checkpoints.newest(run.checkpoints).checkpoint == checkpoints.name(2)
    assert go_on(workspace, run).state == "completed" and differing(run, expected) == []


def test_a_stop_before_the_first_batch_leaves_a_run_that_begins_when_it_is_resumed(workspace: Workspace, expected):
    run = make_run(workspace, "at-once", config_of(0.0))
    with pytest.raises(loop.EndedEarlyError) as early:
        loop.prepare(workspace, run, 1, lambda: "pause")
    assert early.value.end.state == "paused"
    assert early.value.end.reason == (
        "Paused by the user during preparation; no epoch was finished, so there is no model."
    )
    assert go_on(workspace, run).state == "completed" and differing(run, expected) == []


def test_time_is_counted_over_attempts_and_what_is_left_is_told_from_the_first_batch_on(workspace: Workspace):
    run, told = make_run(workspace, "time", config_of(0.0)), []
    attempt(workspace, run, 1, lambda session: "pause" if session.journal.progress.epoch == 3 else None)
    before = durable.read_document(Progress, run.progress_file)
    assert before.eta_seconds > 0 and before.times["batch"] > 0
    time.sleep(1.5)  # a pause is no training

    def read_request(session: Session) -> None:
        told.append(session.journal.progress)

    attempt(workspace, run, 2, read_request)
    first = next(now for now in told if now.phase == "training")
    assert (first.epoch, first.eta_seconds > 0) == (3, True)
    assert before.elapsed_seconds < first.elapsed_seconds < before.elapsed_seconds + 1.5


def test_a_run_that_is_done_trains_on_when_it_has_more_epochs(workspace: Workspace):
    run = make_run(workspace, "extended", config_of(0.0))
    go_on(workspace, run, 1)
    done = result(run)
    longer = config_of(0.0).model_dump()
    longer["training"] |= {"epochs": 6, "patience": 0}
    durable.replace_bytes(run.config_file, config_file.dump(config_file.build(longer)))
    session = loop.prepare(workspace, run, 2, lambda: None)
    assert (session.start.epoch, session.journal.progress.epochs) == (5, 6)
    assert loop.train(session).reason.startswith("All 6 epochs done")
    assert run.metrics_file.read_bytes().startswith(done[run.metrics_file.name])
    best = session.journal.progress.best
    assert best.val_loss <= Best.model_validate_json(done["best.json"]).val_loss
    assert checkpoints.load(run.checkpoints, best.checkpoint)


def test_the_second_sigterm_does_not_wait(tmp_path):
    command = [sys.executable, "-c", LISTENING, str(tmp_path), "1", str(os.getpid())]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert next(line for line in process.stdout if "Starting" not in line) == "None\n"
        process.terminate()
        assert next(line for line in process.stdout if line != "None\n") == "signal\n"
        process.terminate()  # an echo of the first
        for line, _ in zip(process.stdout, range(40), strict=False):
            assert line == "signal\n"
        process.terminate()
        assert process.wait(10) == 143
