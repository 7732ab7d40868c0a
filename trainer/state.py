"""The state of a run, derived at every read from its files and processes and stored nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal[
    "queued", "running", "pausing", "paused", "stopping", "stopped", "completed", "failed", "lost", "unresponsive",
    "damaged",
]  # fmt: skip
Want = Literal["go_on", "pause", "stop_after_epoch", "stop"]
Ended = Literal["completed", "stopped", "paused", "failed"]

ACTIVE: frozenset[State] = frozenset({"queued", "running", "pausing", "stopping", "unresponsive"})

STARTING_SECONDS = 10.0
"""How long a run may have no process yet: the supervisor's interpreter is still starting."""
SILENT_SECONDS = 25.0
"""A live trainer whose beat is older than this does not answer; a page that looks every 2 s tells it within 30 s."""
SILENT_SECONDS_ELSEWHERE = 90.0
"""The same for a run of another host, whose beat reaches us through a network file system."""


BY_SIGNAL = "Stopped by a signal (SIGTERM)"
"""How the reason of an end begins that nobody wished."""

BEATEN: dict[Want, frozenset[Want]] = {
    "go_on": frozenset({"pause", "stop_after_epoch"}),
    "pause": frozenset({"go_on"}),
    "stop_after_epoch": frozenset({"go_on", "pause"}),
    "stop": frozenset({"go_on", "pause", "stop_after_epoch"}),
}
"""Which earlier wishes each wish takes the place of: the last one wins, but stop beats pause and stop now is final."""


def wished(earlier: Want | None, new: Want) -> Want:
    """What is wanted after a new wish."""
    return new if earlier is None or earlier in BEATEN[new] else earlier


@dataclass(frozen=True)
class Facts:
    """All that the state depends on; ages in seconds, None where there is nothing to age."""

    readable: bool
    outcome: Ended | None
    has_process: bool
    this_host: bool
    supervisor_alive: bool
    trainer_alive: bool
    trainer_known: bool
    suspended: bool
    want: Want | None
    beat_age: float | None
    request_age: float


def derive(facts: Facts) -> State:
    """The state that follows from the facts; the first match wins."""
    if not facts.readable:
        return "damaged"
    if facts.outcome is not None:
        return facts.outcome
    if not facts.has_process:
        return "queued" if facts.request_age < STARTING_SECONDS else "lost"
    if not facts.this_host:  # processes of another machine cannot be seen, only its beat
        fresh = facts.beat_age is not None and facts.beat_age < SILENT_SECONDS_ELSEWHERE
        return _wanted(facts.want) if fresh else "lost"
    if not (facts.trainer_alive or facts.supervisor_alive):
        return "lost"
    if not facts.trainer_known:
        waiting: State = "unresponsive" if facts.suspended else "queued"
        return waiting if facts.want in (None, "go_on") else _wanted(facts.want)
    # A trainer that has just gone counts as before until its supervisor has written how it ended: no word of its own.
    silent = facts.beat_age is not None and facts.beat_age > SILENT_SECONDS
    return "unresponsive" if facts.suspended or silent else _wanted(facts.want)


def _wanted(want: Want | None) -> State:
    match want:
        case "stop" | "stop_after_epoch":
            return "stopping"
        case "pause":
            return "pausing"
    return "running"
