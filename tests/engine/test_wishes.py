"""Pause and stop, obeyed wherever they meet a training, and a resume that ends as if there had been none."""

import dataclasses
from collections.abc import Callable

import pytest

from tests.soak.forked import config_of, differing, make_run, result
from tests.tiny import make_workspace
from trainer.engine import checkpoints, loop
from trainer.engine.parts import Parts
from trainer.runs import Run
from trainer.workspace import Workspace

MOST_ATTEMPTS = 200


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def attempt(workspace: Workspace, run: Run, number: int, wanted: Callable[[Parts], str | None]) -> loop.End:
    """One attempt, with a wish that follows from where it stands."""
    parts = loop.prepare(workspace, run, number, lambda: None)
    return loop.train(dataclasses.replace(parts, wanted=lambda: wanted(parts)))


def go_on(workspace: Workspace, run: Run, number: int = 2) -> loop.End:
    return attempt(workspace, run, number, lambda parts: None)


@pytest.fixture(scope="module")
def expected(workspace: Workspace) -> dict[str, object]:
    run = make_run(workspace, "one-go", config_of(0.0))
    go_on(workspace, run, 1)
    return result(run)


def test_paused_at_every_batch_it_ends_with_the_same_bytes(workspace: Workspace, expected):
    """Two batches make a step, so that half of these pauses meet gathered gradients."""
    run, met = make_run(workspace, "every-batch", config_of(0.0)), set()

    def wanted(parts: Parts) -> str | None:
        now = parts.journal.progress
        place = (now.epoch, now.batch)
        if now.phase != "training" or place in met:
            return None
        met.add(place)
        return "pause"

    for number in range(1, MOST_ATTEMPTS):
        end = attempt(workspace, run, number, wanted)
        if end.state == "completed":
            break
        epoch, batch = max(met)
        assert end.state == "paused" and end.reason.startswith(f"Paused by the user in epoch {epoch}, batch {batch};")
        assert checkpoints.newest(run.checkpoints).checkpoint == checkpoints.name_within(epoch, batch)
    assert end.state == "completed" and len(met) == number - 1 >= 4 * 5
    assert differing(run, expected) == []
