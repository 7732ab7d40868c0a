"""The promises of training control with small counts; `make soak` has the full ones."""

import pytest

from soak import crash_points, faulty_disk, forked, kills, liveness, pauses, server_deaths, starts, stops

forked.FORKS.set_forkserver_preload([*forked.PRELOADED, "tests.unsynced"])
pytestmark = pytest.mark.anew  # soak.census counts processes by their command lines


def test_racing_starts_make_one_run():
    assert starts.measure(2).wrong == []


def test_a_stranger_with_the_pid_of_ours_is_neither_called_alive_nor_signalled():
    if not liveness.can_be_forced():
        pytest.skip(f"{liveness.LAST_PID} cannot be written here, which root may")
    assert liveness.measure(10).wrong == []


def test_killed_attempts_end_with_the_same_bytes():
    found = kills.measure(10)
    assert found.count == 10 and found.wrong == []


def test_whole_runs_whose_trainers_are_killed_end_with_the_same_bytes():
    assert kills.measure_whole(1).wrong == []


def test_crashes_before_within_and_after_steps_that_change_the_disk_end_with_the_same_bytes():
    found = crash_points.measure(6)
    assert found.count == 6 and found.wrong == []


def test_a_run_whose_disk_fails_once_says_so_and_goes_on_to_the_same_end():
    found = faulty_disk.measure(9)
    assert found.count == 9 and found.wrong == []


def test_pauses_anywhere_end_with_the_same_bytes():
    found = pauses.measure(6, every=9)
    assert found.count == 6 and found.wrong == []


def test_a_training_that_is_to_end_saves_itself_and_is_gone():
    assert stops.measure(3).wrong == []


def test_a_trainer_that_hangs_and_was_asked_to_stop_is_killed():
    assert stops.measure_silent(1, seconds=2.0).wrong == []


def test_a_training_does_not_notice_that_its_server_dies():
    found = server_deaths.measure(1, most_slower=10.0)
    assert found.count == 1 and found.wrong == []
