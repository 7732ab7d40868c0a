"""The state of a run as a function of facts."""

import itertools
from dataclasses import replace

import pytest

from trainer.state import ACTIVE, Facts, State, derive, wished

RUNNING = Facts(
    readable=True, outcome=None, has_process=True, this_host=True, supervisor_alive=True, trainer_alive=True,
    trainer_known=True, suspended=False, want=None, beat_age=1.0, request_age=60.0,
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
        ({"beat_age": 31.0}, "unresponsive"),
        ({"beat_age": 31.0, "want": "stop"}, "unresponsive"),
        ({"supervisor_alive": False}, "running"),
        ({"trainer_alive": False}, "running"),
        ({"trainer_alive": False, "want": "stop"}, "stopping"),
        ({"trainer_alive": False, "beat_age": 31.0}, "unresponsive"),
        ({"trainer_alive": False, "trainer_known": False}, "queued"),
        ({"trainer_alive": False, "trainer_known": False, "suspended": True}, "unresponsive"),
        ({"trainer_alive": False, "trainer_known": False, "want": "stop"}, "stopping"),
        ({"trainer_alive": False, "trainer_known": False, "want": "pause"}, "pausing"),
        ({"trainer_alive": False, "supervisor_alive": False}, "lost"),
        ({"outcome": "failed"}, "failed"),
        ({"outcome": "completed", "trainer_alive": False, "supervisor_alive": False}, "completed"),
        ({"readable": False, "outcome": "completed"}, "damaged"),
        ({"has_process": False, "request_age": 2.0}, "queued"),
        ({"has_process": False, "request_age": 20.0}, "lost"),
        ({"this_host": False, "trainer_alive": False, "supervisor_alive": False, "beat_age": 60.0}, "running"),
        ({"this_host": False, "trainer_alive": False, "supervisor_alive": False, "beat_age": 100.0}, "lost"),
        ({"this_host": False, "trainer_alive": False, "supervisor_alive": False, "beat_age": None}, "lost"),
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
    for values in itertools.product(flag, outcomes, flag, flag, flag, flag, flag, flag, wants, ages, (1.0, 1000.0)):
        facts = Facts(*values)
        state = derive(facts)
        seen.add(state)
        assert state in STATES
        if facts.readable and facts.this_host and not (facts.trainer_alive or facts.supervisor_alive):
            starting = not facts.has_process and facts.request_age < 10
            assert starting or state not in ACTIVE, "nothing lives, so nothing is active"
    assert seen == STATES


WISHES = (None, "go_on", "pause", "stop_after_epoch", "stop")


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        ("go_on", ("go_on", "go_on", "go_on", "go_on", "stop")),
        ("pause", ("pause", "pause", "pause", "stop_after_epoch", "stop")),
        ("stop_after_epoch", ("stop_after_epoch",) * 4 + ("stop",)),
        ("stop", ("stop",) * 5),
    ],
)
def test_the_last_wish_wins_but_stop_beats_pause(new: str, wanted: tuple[str, ...]):
    assert tuple(wished(earlier, new) for earlier in WISHES) == wanted
