"""Work that is done in a thread while the caller uses what came before."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Made = TypeVar("Made")


def one_ahead(make: Callable[[int], Made], numbers: Iterable[int]) -> Generator[Made]:
    """What `make` makes of each number, in order; the next is made while the caller uses the last.

    It runs in one thread on one core beside the threads of torch, because augmentation is too finely divided to gain
    from a second; where torch has one thread, so that other cores are left alone, everything is made in turn. An
    exception is raised when its number is due. Close the generator when leaving early: that waits for the thread.
    """
    if torch.get_num_threads() == 1:
        yield from map(make, numbers)
        return
    with ThreadPoolExecutor(1, "ahead", torch.set_num_threads, (1,)) as thread:
        begun = (thread.submit(make, number) for number in numbers)
        for due, _ in itertools.pairwise(itertools.chain(begun, [Future[Made]()])):
            yield due.result()
