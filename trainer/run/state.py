"""The state of a run, derived at every read from its files and processes and stored nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.system.processes import Life

State = Literal[
    "queued",
    "running",
    "pausing",
    "paused",
    "stopping",
    "stopped",
    "completed",
    "failed",
    "lost",
    "unresponsive",
    "unknown",
    "damaged",
]
Want = Literal["go_on", "pause", "stop_after_epoch", "stop"]
Ended = Literal["completed", "stopped", "paused", "failed"]

ACTIVE: frozenset[State] = frozenset({"queued", "running", "pausing", "stopping", "unresponsive", "unknown"})
"""The states of runs that live, or may live: they can be paused and stopped, and their folders are left alone."""

SILENT_SECONDS = 25.0
"""A live trainer that has neither reported nor used the processor for longer is unresponsive; a page that polls every
2 s shows it within 30 s."""

BY_SIGNAL = "Stopped by a signal (SIGTERM)"
"""How the reason of an end by a signal begins."""

BEATEN: dict[Want, frozenset[Want]] = {
    "go_on": frozenset({"pause", "stop_after_epoch"}),
    "pause": frozenset({"go_on"}),
    "stop_after_epoch": frozenset({"go_on", "pause"}),
    "stop": frozenset({"go_on", "pause", "stop_after_epoch"}),
}
"""The earlier requests that each request replaces: the last one wins, but stop beats pause and stop now is final."""


def combine_wants(earlier: Want | None, new: Want) -> Want:
    """The request that applies after a new one."""
    return new if earlier is None or earlier in BEATEN[new] else earlier


@dataclass(frozen=True)
class Facts:
    """All that the state depends on."""

    readable: bool
    outcome: Ended | None
    life: Life
    """Life of the supervisor and the trainer together, see `trainer.system.liveness`."""
    trainer_known: bool
    """Whether the run has its device: its trainer is alive, starting or has just ended."""
    suspended: bool
    want: Want | None
    silent_seconds: float | None
    """Seconds since the trainer was last known to work; None when unknown."""


def derive(facts: Facts) -> State:
    """The state that follows from the facts; the first match wins."""
    if not facts.readable:
        return "damaged"
    if facts.outcome is not None:
        return facts.outcome
    if facts.life != "alive":
        return "lost" if facts.life == "dead" else "unknown"
    if not facts.trainer_known:
        waiting: State = "unresponsive" if facts.suspended else "queued"
        return waiting if facts.want in (None, "go_on") else _wanted(facts.want)
    # A trainer that has just ended keeps its state until its supervisor writes the outcome.
    silent = facts.silent_seconds is not None and facts.silent_seconds > SILENT_SECONDS
    return "unresponsive" if facts.suspended or silent else _wanted(facts.want)


def _wanted(want: Want | None) -> State:
    match want:
        case "stop" | "stop_after_epoch":
            return "stopping"
        case "pause":
            return "pausing"
    return "running"
