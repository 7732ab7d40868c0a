"""The session of a training (run, data, model, optimizer), the requests that end it, and how it ends."""

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
from trainer.engine.training.journal import Journal, update_progress
from trainer.engine.training.training_state import TrainingState
from trainer.engine.training.validation import Stream
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.run.state import BY_SIGNAL, Ended, Want

EndRequest = Literal["pause", "stop", "signal"]
"""A request that ends a training at once: from the user, or a signal as when the machine shuts down."""
ReadRequest = Callable[[], Want | Literal["signal"] | None]

ENDS: dict[EndRequest, tuple[Ended, str]] = {
    "pause": ("paused", "Paused by the user"),
    "stop": ("stopped", "Stopped by the user"),
    "signal": ("stopped", BY_SIGNAL),
}


class Interruption(Exception):
    """The training must end now; unfinished work is dropped."""

    def __init__(self, request: EndRequest) -> None:
        self.request: EndRequest = request
        super().__init__(ENDS[request][1])


@dataclass(frozen=True)
class End:
    """How a training ended without a failure."""

    state: Ended
    reason: str


def raise_if_ending(read_request: ReadRequest) -> None:
    """Raise Interruption when there is a request to end now. Called between any two pieces of work."""
    match read_request():
        case "pause" | "stop" | "signal" as request:
            raise Interruption(request)


def end_after(interruption: Interruption, where: str, best: Best | None) -> End:
    """The end that an interruption leads to, with its reason as a sentence."""
    state, words = ENDS[interruption.request]
    return End(state, f"{words} {where}{best_model_clause(best)}.")


def best_model_clause(best: Best | None) -> str:
    """The last clause of a reason: which model there is."""
    return f"; the best model is of epoch {best.epoch}" if best else "; no epoch was finished, so there is no model"


@dataclass(frozen=True)
class Session:
    """Everything that the epochs need; `start` is the state in which they begin.

    `average` is the moving average of the weights of `model`, if configured; the forward pass computes in `dtype`;
    `splits` is the fingerprint of the clips; `stream` returns the validation stream, computed at its first call.
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
    read_request: ReadRequest
    start: TrainingState = field(default_factory=TrainingState)

    @property
    def eval_model(self) -> nn.Module:
        """The model that is validated, mined with and saved: the average if there is one."""
        return self.average or self.model

    def heartbeat(self) -> None:
        """Refresh the progress and check for requests, between any two pieces of work. Raises Interruption."""
        update_progress(self.journal)
        raise_if_ending(self.read_request)
