"""A training that breaks off and goes on ends with the bytes of one in one go, wherever it broke off."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from soak.forked import OFTEN, config_of, differing, make_run, result
from tests.tiny import make_workspace
from trainer.engine.training import checkpoints, epoch, loop
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace


class BrokenOffError(Exception):
    """The place where a kill would have been."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def expected(workspace: Workspace) -> dict[str, object]:
    run = make_run(workspace, "one-go", config_of(0.0))
    loop.train(loop.prepare(workspace, run, 1, lambda: None))
    return result(run)


def nth_call(number: int, work: Callable, after: bool = False) -> Callable:
    """`work`, broken off at its n-th call, before it is done or after."""
    calls = iter(range(1, 10_000))

    def broken(*given, **named):
        last = next(calls) == number
        if last and not after:
            raise BrokenOffError
        found = work(*given, **named)
        if last:
            raise BrokenOffError
        return found

    return broken


PLACES = {
    "a batch": (epoch, "take_step", 9, False),
    "within an epoch, after a checkpoint": (checkpoints, "prune", 2, False),
    "the file of tensors is there and its mark is not": (checkpoints, "_mark", 2, False),
    "the mark is there and that of the best model is not": (checkpoints, "mark_best", 1, False),
    "rows without a checkpoint": (checkpoints, "commit", 6, False),
    "the end of an epoch": (checkpoints, "prune", 8, True),
    "the end of the last epoch": (checkpoints, "prune", 16, False),
    "validation": (epoch, "validate", 3, False),
    "mining": (loop.mining, "mine", 2, False),
}


@pytest.fixture(params=PLACES)
def broken_off(request, workspace: Workspace, monkeypatch) -> Run:
    """A run that was broken off in one of these places."""
    module, name, number, after = PLACES[request.param]
    run = make_run(workspace, f"broken-{request.param}", config_of(OFTEN))
    session = loop.prepare(workspace, run, 1, lambda: None)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, nth_call(number, getattr(module, name), after))
        with pytest.raises(BrokenOffError):
            loop.train(session)
    return run


def go_on(workspace: Workspace, run: Run, attempt: int = 2) -> loop.End:
    return loop.train(loop.prepare(workspace, run, attempt, lambda: None))


def test_wherever_it_breaks_off_the_end_is_the_same(workspace: Workspace, broken_off: Run, expected):
    assert go_on(workspace, broken_off).state == "completed"
    assert differing(broken_off, expected) == []


@pytest.fixture
def half_way(workspace: Workspace, request) -> Iterator[Run]:
    """A run that was stopped in its third epoch, with a checkpoint within it."""
    run = make_run(workspace, f"half-way-{request.node.name}", config_of(OFTEN))
    session = loop.prepare(workspace, run, 1, lambda: None)

    def read_request() -> str | None:
        return "stop" if (session.journal.progress.epoch, session.journal.progress.batch) == (3, 5) else None

    assert loop.train(dataclasses.replace(session, read_request=read_request)).state == "stopped"
    assert checkpoints.newest(run.checkpoints).checkpoint == checkpoints.name_mid_epoch(3, 5)
    return run


def test_a_damaged_checkpoint_costs_time_alone(workspace: Workspace, half_way: Run, expected, capsys):
    damaged = half_way.checkpoints / checkpoints.name_mid_epoch(3, 5)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    go_on(workspace, half_way)
    told = capsys.readouterr().out
    assert "Using the previous checkpoint" in told and "after epoch 2." in told
    assert differing(half_way, expected) == []


def test_half_a_row_is_cut_off(workspace: Workspace, half_way: Run, expected, capsys):
    with open(half_way.metrics_file, "ab") as file:
        file.write(b'{"v":1,"kind":"ste')
    go_on(workspace, half_way)
    assert "Resuming from the checkpoint after batch 5 of epoch 3." in capsys.readouterr().out
    assert differing(half_way, expected) == []


def test_without_any_checkpoint_it_starts_anew(workspace: Workspace, half_way: Run, expected, capsys):
    for mark in half_way.checkpoints.glob("epoch-*.json"):
        mark.unlink()
    go_on(workspace, half_way)
    assert "starts from the beginning" in capsys.readouterr().out and differing(half_way, expected) == []


def test_each_epoch_has_one_row_of_timing_and_time_goes_on(workspace: Workspace, half_way: Run):
    go_on(workspace, half_way)
    metrics.read_more(tail := metrics.Tail(), half_way.timing_file)
    assert [row["epoch"] for row in tail.epochs] == [1, 2, 3, 4]
    assert [row["attempt"] for row in tail.epochs] == [1, 1, 2, 2]
    elapsed = [row["elapsed_seconds"] for row in tail.epochs]
    assert elapsed == sorted(elapsed) and all(row["clips_per_second"] > 0 for row in tail.epochs)


def test_a_run_that_is_done_stays_as_it_is(workspace: Workspace, half_way: Run, expected):
    first = go_on(workspace, half_way)
    assert go_on(workspace, half_way, attempt=3) == first
    assert differing(half_way, expected) == []


def test_another_machine_is_told_and_other_clips_are_refused(workspace: Workspace, half_way: Run, capsys):
    mark = half_way.checkpoints / f"{checkpoints.name_mid_epoch(3, 5)}.json"
    facts = durable.read_json(mark)
    durable.replace_json(mark, facts | {"machine": "torch 1.0"})
    loop.prepare(workspace, half_way, 2, lambda: None)
    log = capsys.readouterr().out
    assert "may differ from that of an uninterrupted run: this run was on torch 1.0 and resumes on torch 2" in log
    durable.replace_json(mark, facts | {"splits": "other"})
    with pytest.raises(ValueError, match=r"split has changed since run half-way.*training\.start_from: half-way"):
        loop.prepare(workspace, half_way, 2, lambda: None)
