"""Work in threads side by side, with progress; when one fails or the job is cancelled, the others end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Result = TypeVar("Result")
Advance = Callable[[int], None]
"""Called with how much was done since the last call; it ends the thread when nobody needs its result."""
REPORT_SECONDS = 0.2


class _Ended(Exception):
    """Ends a thread whose result is not needed."""


def run(works: Sequence[Callable[[Advance], Result]], threads: int, report: Callable[[int], None]) -> list[Result]:
    """The results of these works, so many at a time; `report` gets the sum of what they have done.

    The first error ends the others at their next `Advance`, and so does an error of `report`, by which a job is
    cancelled. It is raised when all have ended.
    """
    ended, done = threading.Event(), list[int]()

    def advance(count: int) -> None:
        if ended.is_set():
            raise _Ended
        done.append(count)

    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work, advance) for work in works]
        try:
            while wait(futures, timeout=REPORT_SECONDS).not_done:
                report(sum(done))
                for future in futures:
                    if future.done():
                        future.result()  # raises its error
            return [future.result() for future in futures]
        finally:
            ended.set()
            pool.shutdown(cancel_futures=True)
