"""P13: runs that are paused wherever a wish can be heard, and go on to the same bytes as a run in one go."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from soak.forked import config_of, differing, ground, is_done, make_run, play
from soak.promise import Found
from trainer.run.runs import Run


@dataclass
class PauseAt:
    """Wants a pause when it is asked for the n-th time."""

    number: int
    asked: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(self) -> str | None:
        return "pause" if next(self.asked) >= self.number else None


def _paused_and_resumed(run: Run, number: int) -> bool:
    """Pause a run when it listens for the n-th time and let it go on; False when it was done before."""
    workspace = ground().workspace
    if code := play(workspace, run, 1, PauseAt(number)):
        raise RuntimeError(f"The attempt that was to pause failed with exit code {code}.")
    if is_done(run):
        return False
    if code := play(workspace, run, 2):
        raise RuntimeError(f"The attempt after the pause failed with exit code {code}.")
    return True


def measure(count: int = 0, every: int = 1) -> Found:
    """A pause at each place, or at every so-many-th, up to a count."""
    laid, found = ground(), Found()
    for number in itertools.count(every // 2 + 1, every):
        run = make_run(laid.workspace, f"paused-{number}", config_of(0.0))
        paused = _paused_and_resumed(run, number)
        found.count += paused
        found.wrong += [f"paused at place {number}: {part} differ" for part in differing(run, laid.expected)]
        shutil.rmtree(run.folder)
        if not paused or found.count == count:
            return found
    return found
