"""P13: runs that are paused wherever requests are read, and resume to the same bytes as an uninterrupted run."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from soak.forked import baseline, config_of, differing, is_done, make_run, play
from soak.promise import Measurement
from trainer.run.runs import Run


@dataclass
class PauseAt:
    """Requests a pause from the n-th call on."""

    number: int
    calls: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(self) -> str | None:
        return "pause" if next(self.calls) >= self.number else None


def _paused_and_resumed(run: Run, number: int) -> bool:
    """Pause a run when it reads requests for the n-th time, and resume it; False when it completed before."""
    workspace = baseline().workspace
    if code := play(workspace, run, 1, PauseAt(number)):
        raise RuntimeError(f"The attempt to be paused failed with exit code {code}.")
    if is_done(run):
        return False
    if code := play(workspace, run, 2):
        raise RuntimeError(f"The attempt after the pause failed with exit code {code}.")
    return True


def measure(count: int = 0, every: int = 1) -> Measurement:
    """A pause at every `every`-th read of requests, at most `count` (0: all)."""
    base, measured = baseline(), Measurement()
    for number in itertools.count(every // 2 + 1, every):
        run = make_run(base.workspace, f"paused-{number}", config_of(0.0))
        paused = _paused_and_resumed(run, number)
        measured.count += paused
        measured.wrong += [f"paused at place {number}: {part} differ" for part in differing(run, base.expected)]
        shutil.rmtree(run.folder)
        if not paused or measured.count == count:
            return measured
    return measured
