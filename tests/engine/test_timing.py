"""How the pieces of a training are measured: few batches of slow ones, many of quick ones, parts scaled up."""

import numpy as np
import pytest
import torch

from trainer.engine.data.windows import Windows
from trainer.engine.training import timing


class Clock:
    """A clock that work moves on by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(timing.time, "monotonic", lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def windows_of(count: int) -> Windows:
    return Windows(np.arange(count), np.zeros(count, int), np.zeros(count, bool))


@pytest.mark.parametrize(
    ("seconds", "batches"),
    [(0.01, 2 + 40), (0.2, 25), (0.5, 10), (1.0, 2 + 3), (30.0, 2 + 3)],
)
def test_slow_batches_are_few_and_quick_ones_many(clock, monkeypatch, seconds: float, batches: int):
    told, made = [], []

    def training_batch(feed, part, epoch, batch):
        made.append((epoch, batch, len(part)))
        return torch.empty(0), torch.empty(0)

    def train_one(session, features, positive, epoch, batch):
        told.append((epoch, batch))
        clock.pass_by(seconds)

    monkeypatch.setattr(timing, "training_batch", training_batch)
    monkeypatch.setattr(timing, "_train_one", train_one)
    session = FakeParts()
    first, mean = timing.batch_seconds(session, windows_of(70))
    assert (first, mean) == (pytest.approx(seconds), pytest.approx(seconds)) and len(told) == pytest.approx(
        batches, abs=1
    )
    assert all(size == 16 for _, _, size in made), "full batches only"
    assert told[4] == made[4][:2] == (2, 0), "the next epoch goes on where the first one ends"


class FakeParts:
    """Just enough of the parts of a training."""

    def __init__(self) -> None:
        self.config = self.training = self.model = self
        self.batch_size = 16

    def train(self) -> None:
        """Into training mode."""


@pytest.mark.parametrize("count", [1, 256, 1000, 100_000])
def test_a_part_stands_for_the_whole(clock, count: int):
    worked = []

    def work(part: Windows) -> None:
        worked.append(len(part))
        clock.pass_by(50.0 if len(worked) == 1 else 0.001 * len(part))

    assert timing.scaled_seconds(windows_of(count), work) == pytest.approx(0.001 * count)
    assert sum(worked[1:]) <= 1300, "a second of work at most, and one part more"
    assert timing.scaled_seconds(windows_of(0), work) == 0.0
