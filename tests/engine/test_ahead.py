"""Batches that are made in a thread: in order, one ahead, joined at the end, and the same as without."""

import threading
from contextlib import closing

import pytest
import torch

from soak.forked import OFTEN, config_of, make_run, result
from tests.tiny import make_workspace
from trainer.config.schema import Config
from trainer.engine.data.batches import prefetch
from trainer.engine.training import checkpoints, loop


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def helpers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_all_comes_in_order_and_the_thread_ends(threads: int):
    assert list(prefetch(lambda number: number**2, range(2, 7))) == [4, 9, 16, 25, 36]
    assert list(prefetch(lambda number: number, [])) == [] and helpers() == []


def test_the_next_one_is_made_meanwhile_and_no_more(threads: int):
    made, second = [], threading.Event()

    def make(number: int) -> int:
        made.append(number)
        if number == 1:
            second.set()
        return number

    with closing(prefetch(make, range(9))) as coming:
        assert next(coming) == 0
        assert second.wait(5.0 if threads > 1 else 0.0) == (threads > 1)
        assert made == [0, 1][:threads]
    assert len(made) <= 2 and helpers() == []


def test_an_exception_comes_when_its_turn_has_come(threads: int):
    def make(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    coming = prefetch(make, range(5))
    assert [next(coming), next(coming)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(coming)
    assert helpers() == []


def test_the_thread_takes_one_core_and_leaves_ours_as_they_are(threads: int):
    found = list(prefetch(lambda number: torch.get_num_threads(), range(2)))
    assert found == [1, 1] and torch.get_num_threads() == threads


def with_two_threads(config: Config) -> Config:
    return config.model_copy(update={"training": config.training.model_copy(update={"threads": 2})})


def test_with_two_threads_a_run_that_breaks_off_ends_as_one_in_one_go(tmp_path):
    workspace, before = make_workspace(tmp_path), torch.get_num_threads()
    whole = make_run(workspace, "one-go", with_two_threads(config_of(0.0)))
    loop.train(loop.prepare(workspace, whole, 1, lambda: None))
    run = make_run(workspace, "stopped", with_two_threads(config_of(OFTEN)))
    session = loop.prepare(
        workspace, run, 1, lambda: "stop" if list(run.checkpoints.glob("epoch-00002-*.pt")) else None
    )
    assert loop.train(session).state == "stopped" and helpers() == []
    assert checkpoints.newest(run.checkpoints).checkpoint.startswith("epoch-00002-batch")
    loop.train(loop.prepare(workspace, run, 2, lambda: None))
    torch.set_num_threads(before)
    assert result(run) == result(whole)
