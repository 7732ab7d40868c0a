"""Inspects many files with several inspector processes: a crash, a hang or a bomb costs one file, never the scan."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainer.audio import audio_reader
from trainer.audio.audio_reader import COMMAND, Answer, Reader, ReaderFailed
from trainer.system import limits

BATCH = 32
SECONDS = audio_reader.SECONDS
MOST_STILL = 3
NOT_TRIED = "The disk did not respond for the files before it; check the disk, then scan again."
_Result = tuple[int, Answer | ReaderFailed]


def _request(path: Path) -> Answer:
    return {"do": "inspect", "path": str(path), "seconds": audio_reader.allowance(path, SECONDS)}


def _inspect_batch(reader: Reader, paths: Sequence[Path]) -> Iterator[Answer | ReaderFailed]:
    waiting = [_request(path) for path in paths]
    while waiting:
        reader.ask(*waiting)
        while waiting:
            try:
                yield reader.answer(waiting.pop(0)["seconds"])
            except ReaderFailed as error:
                yield error
                break  # those behind it are asked for again, of a new process


def _second_try(path: Path) -> Answer:
    """The answer of a process that reads nothing else, beside no other."""
    request = _request(path)
    with Reader(COMMAND) as reader:
        reader.ask(request)
        try:
            return reader.answer(request["seconds"])
        except ReaderFailed as error:
            return {"reason": error.reason, "message": f"{error.cause}, twice; {error.advice}."}


def _second_tries(paths: Sequence[Path], doubtful: Sequence[int]) -> Iterator[tuple[int, Answer]]:
    """Answers about files that got none at first; on a disk that gives nothing, only a few are tried again."""
    still = 0
    for place in doubtful:
        if still == MOST_STILL:
            yield place, {"reason": "not_answering", "message": NOT_TRIED}
            continue
        answer = _second_try(paths[place])
        still = still + 1 if answer["reason"] == "not_answering" else 0
        yield place, answer


def inspect_all(paths: Sequence[Path]) -> Iterator[tuple[int, Answer]]:
    """(index in `paths`, answer) of every file, in the order in which they get ready; one process for each core.

    An answer holds `reason` and `message` (empty for a clip) and a clip's facts and measures. Closing the iterator
    ends the processes. A file that gets no answer is tried again when all others are done.
    """
    batches: queue.SimpleQueue[int] = queue.SimpleQueue()
    for first in range(0, len(paths), BATCH):
        batches.put(first)
    ready: queue.Queue[_Result | BaseException | None] = queue.Queue(maxsize=8 * BATCH)
    ended = threading.Event()

    def work() -> None:
        try:
            with Reader(COMMAND) as reader:
                while not ended.is_set():
                    try:
                        first = batches.get_nowait()
                    except queue.Empty:
                        break
                    for place, answer in enumerate(_inspect_batch(reader, paths[first : first + BATCH]), first):
                        ready.put((place, answer))
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    doubtful = list[int]()
    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(limits.cores(), -(-len(paths) // BATCH)))]
    for worker in workers:
        worker.start()
    try:
        for place, answer in _answers(ready, len(workers)):
            if isinstance(answer, ReaderFailed):
                doubtful.append(place)
            else:
                yield place, answer
        yield from _second_tries(paths, doubtful)
    finally:
        ended.set()
        while any(worker.is_alive() for worker in workers):
            _drain(ready)
            time.sleep(0.01)


def _answers(ready: queue.Queue[_Result | BaseException | None], workers: int) -> Iterator[_Result]:
    while workers:
        item = ready.get()
        if item is None:
            workers -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            yield item


def _drain(ready: queue.Queue[_Result | BaseException | None]) -> None:
    """Make room, so that no worker waits for a reader who has left."""
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return
