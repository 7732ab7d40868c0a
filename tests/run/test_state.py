"""The state of a run as a function of facts."""

import itertools
from dataclasses import replace

import pytest

from trainer.run.state import Facts, State, combine_wants, derive

RUNNING = Facts(
    readable=True, outcome=None, life="alive", trainer_known=True, suspended=False, want=None, silent_seconds=1.0,
)  # fmt: skip
STATES = set(State.__args__)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running"),
        ({"want": "go_on"}, "running"),
        ({"want": "stop"}, "stopping"),
        ({"want": "stop_after_epoch"}, "stopping"),
        ({"want": "pause"}, "pausing"),
        ({"suspended": True}, "unresponsive"),
        ({"silent_seconds": 31.0}, "unresponsive"),
        ({"silent_seconds": 31.0, "want": "stop"}, "unresponsive"),
        ({"silent_seconds": None}, "running"),
        ({"trainer_known": False}, "queued"),
        ({"trainer_known": False, "silent_seconds": 1000.0}, "queued"),
        ({"trainer_known": False, "suspended": True}, "unresponsive"),
        ({"trainer_known": False, "want": "stop"}, "stopping"),
        ({"trainer_known": False, "want": "pause"}, "pausing"),
        ({"life": "dead"}, "lost"),
        ({"life": "dead", "want": "stop"}, "lost"),
        ({"life": "unknown"}, "unknown"),
        ({"life": "unknown", "want": "stop"}, "unknown"),
        ({"life": "unknown", "outcome": "paused"}, "paused"),
        ({"outcome": "failed"}, "failed"),
        ({"outcome": "completed", "life": "dead"}, "completed"),
        ({"readable": False, "outcome": "completed"}, "damaged"),
    ],
)
def test_a_state_follows_from_the_facts(changes: dict, state: str):
    assert derive(replace(RUNNING, **changes)) == state


def test_every_combination_of_facts_has_one_state():
    flag = (True, False)
    outcomes = (None, "completed", "stopped", "paused", "failed")
    wants = (None, "go_on", "stop", "stop_after_epoch", "pause")
    ages = (None, 1.0, 1000.0)
    seen = set()
    lives = ("alive", "dead", "unknown")
    for values in itertools.product(flag, outcomes, lives, flag, flag, wants, ages):
        facts = Facts(*values)
        state = derive(facts)
        seen.add(state)
        assert state in STATES
        if facts.readable and facts.outcome is None and facts.life == "dead":
            assert state == "lost", "what is dead is never active, nor unknown"
        if facts.life == "alive":
            assert state not in ("lost", "unknown"), "what lives is never lost"
    assert seen == STATES


REQUESTS = (None, "go_on", "pause", "stop_after_epoch", "stop")


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        ("go_on", ("go_on", "go_on", "go_on", "go_on", "stop")),
        ("pause", ("pause", "pause", "pause", "stop_after_epoch", "stop")),
        ("stop_after_epoch", ("stop_after_epoch",) * 4 + ("stop",)),
        ("stop", ("stop",) * 5),
    ],
)
def test_the_last_request_wins_but_stop_beats_pause(new: str, wanted: tuple[str, ...]):
    assert tuple(combine_wants(earlier, new) for earlier in REQUESTS) == wanted
