"""The parts of a training (run, data, model, optimizer), the requests it obeys, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler

from trainer.config.schema import Config
from trainer.engine.data.batches import Feed
from trainer.engine.data.windows import Windows
from trainer.engine.training.journal import Journal, tell
from trainer.engine.training.training_state import Course
from trainer.engine.training.validation import Stream
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.run.state import BY_SIGNAL, Ended, Want

Asked = Literal["pause", "stop", "signal"]
"""What ends a training at once: two wishes of the user, or the machine that shuts down."""
Wanted = Callable[[], Want | Literal["signal"] | None]

ENDS: dict[Asked, tuple[Ended, str]] = {
    "pause": ("paused", "Paused by the user"),
    "stop": ("stopped", "Stopped by the user"),
    "signal": ("stopped", BY_SIGNAL),
}


class Interruption(Exception):
    """The training shall end now; the piece of work that was under way is dropped."""

    def __init__(self, asked: Asked) -> None:
        self.asked: Asked = asked
        super().__init__(ENDS[asked][1])


@dataclass(frozen=True)
class End:
    """How a training ended in order."""

    state: Ended
    reason: str


def obey(wanted: Wanted) -> None:
    """Raise Interruption when the training shall end now. To be called between any two pieces of work."""
    match wanted():
        case "pause" | "stop" | "signal" as asked:
            raise Interruption(asked)


def end_of(interruption: Interruption, where: str, best: Best | None) -> End:
    """The end that an interruption led to, as the reader is told it."""
    state, words = ENDS[interruption.asked]
    return End(state, f"{words} {where}{kept(best)}.")


def kept(best: Best | None) -> str:
    """What a training leaves, as the end of a sentence."""
    return f"; the best model is of epoch {best.epoch}" if best else "; no epoch was finished, so there is no model"


@dataclass(frozen=True)
class Parts:
    """All that the epochs need; `start` is where they begin.

    `model` is what learns, `average` the moving average of its weights where there is one; `dtype` is what the forward
    pass computes in; `splits` is the fingerprint of the clips;
    `stream` are the validation clips as a device hears them, computed when they are first asked for.
    """

    run: Run
    config: Config
    journal: Journal
    model: nn.Module
    average: nn.Module | None
    optimizer: torch.optim.Optimizer
    scaler: GradScaler
    dtype: torch.dtype
    train: Feed
    val: Feed
    val_windows: Windows
    stream: Callable[[], Stream]
    splits: str
    wanted: Wanted
    start: Course = field(default_factory=Course)

    @property
    def judged(self) -> nn.Module:
        """The model that is validated, mined with and kept: the average, where there is one."""
        return self.average or self.model

    def beat(self) -> None:
        """Tell that it lives, and listen: between any two pieces of work. Raises Interruption."""
        tell(self.journal)
        obey(self.wanted)
