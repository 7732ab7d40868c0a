"""Work side by side: results in order, progress, and an end for all when one fails or the job is cancelled."""

import threading
from functools import partial

import pytest

from tests.waiting import PATIENCE
from trainer.system import parallel


def test_results_are_in_order_and_progress_is_their_sum():
    told = list[int]()
    both = threading.Barrier(2)

    def work(number, advance):
        both.wait(PATIENCE)
        advance(number)
        return number

    assert parallel.run([partial(work, number) for number in (3, 4, 5, 6)], 2, told.append) == [3, 4, 5, 6]
    assert all(0 <= each <= 18 for each in told)
    assert parallel.run([], 2, told.append) == []


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_an_error_or_a_cancelled_job_ends_the_others_and_begins_no_more(error):
    begun = list[int]()

    def work(number, advance):
        begun.append(number)
        if number == 0 and isinstance(error, ValueError):
            raise error
        while True:  # ends by `advance` alone
            advance(1)

    def report(done):
        if isinstance(error, KeyboardInterrupt):
            raise error

    with pytest.raises(type(error)):
        parallel.run([partial(work, number) for number in range(9)], 2, report)
    assert 9 > len(begun) >= 2
