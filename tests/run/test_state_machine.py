"""Users, kills, reboots, damaged files and jumping clocks in any order, on real processes: see soak.machine."""

import pytest

from soak.examples import Machine, RealMachine, play

pytestmark = pytest.mark.anew  # soak.census counts processes by their command lines


def test_whatever_happens_a_run_has_one_state_one_trainer_and_all_it_committed():
    play(Machine, 4, 12)


def test_the_same_with_the_trainer_itself():
    play(RealMachine, 2, 8)  # the first is the simplest there is
