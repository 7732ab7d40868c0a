"""What is wanted of a training, listened for between two pieces of its work, and the interruption that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from trainer.run.documents import Best
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
