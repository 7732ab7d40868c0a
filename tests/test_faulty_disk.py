"""A disk that fails at any one call; all of them: python -m tests.soak.faulty_disk."""

from tests.soak.faulty_disk import CALLS, ERRORS, SHORT, measure


def test_a_run_whose_disk_fails_once_says_so_and_goes_on_to_the_same_end():
    tally = measure(every=67)
    assert tally.wrong == [] and len(set(tally.faults)) >= 7
    assert {fault.call for fault in tally.faults} == set(CALLS), "change `every` so that the sample holds each"
    assert {fault.error for fault in tally.faults} == {*ERRORS, SHORT}
