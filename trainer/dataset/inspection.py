"""Many files through the inspector's processes: a crash, a hang or a bomb costs one file, never the scan."""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from trainer import devices
from trainer.workspace import PROJECT_ROOT

Answer = dict[str, Any]

BATCH = 32
SECONDS = 2.0
"""Most time for one file; a large one gets some for each megabyte on top, more when it is compressed."""
WAV_SECONDS_PER_MEGABYTE, SECONDS_PER_MEGABYTE = 0.1, 0.5
STARTING_SECONDS = 30.0
COMMAND = [sys.executable, "-m", "trainer.dataset.inspector"]
_CHUNK = 1 << 16
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # there is a process for each core already


class _Inspector:
    """One process of trainer.dataset.inspector; started anew when it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def __enter__(self) -> _Inspector:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> int:
        """Kill the process; returns how it ended (0: there was none)."""
        process, self._process, self._unread = self._process, None, b""
        if process is None:
            return 0
        process.kill()
        process.communicate()
        return process.returncode

    def _start(self) -> None:
        self._process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=PROJECT_ROOT,
            env=os.environ | _ONE_THREAD,
        )  # fmt: skip
        if self.answer(STARTING_SECONDS) is None:
            raise OSError(f"The process that reads audio files does not start (it ended with {self.end()}). Try again.")

    def send(self, paths: Sequence[Path]) -> None:
        """Ask for these files. Raises OSError when no process can be started."""
        if self._process is None:
            self._start()
        assert self._process and self._process.stdin
        try:
            self._process.stdin.write(json.dumps([str(path) for path in paths]).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died: the missing answer tells

    def answer(self, seconds: float) -> Answer | None:
        """The next answer; None when the process died or took longer."""
        assert self._process and self._process.stdout
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            more = os.read(self._process.stdout.fileno(), _CHUNK)  # select knows nothing of Python's own buffer
            if not more:
                return None
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        found: Answer = json.loads(line)
        return found

    def died(self) -> bool:
        """Whether the process has ended by itself."""
        assert self._process
        try:
            return self._process.wait(0.2) is not None
        except subprocess.TimeoutExpired:
            return False


def _patience(path: Path) -> float:
    each = WAV_SECONDS_PER_MEGABYTE if path.suffix.lower() == ".wav" else SECONDS_PER_MEGABYTE
    try:
        return SECONDS + each * path.lstat().st_size / 1e6
    except OSError:
        return SECONDS


def _no_answer(inspector: _Inspector) -> Answer:
    """Why a file got no answer; ends the process."""
    if inspector.died():
        code = inspector.end()
        return {
            "reason": "decoder_crash",
            "message": f"The decoder crashed on it ({code}); convert it again.",
        }
    inspector.end()
    return {"reason": "decoder_hang", "message": "The decoder took too long over it; record or convert it again."}


def _inspect_batch(inspector: _Inspector, paths: Sequence[Path]) -> Iterator[Answer]:
    waiting = list(paths)
    while waiting:
        inspector.send(waiting)
        while waiting:
            answer = inspector.answer(_patience(waiting.pop(0)))
            if answer is None:
                yield _no_answer(inspector)
                break  # those behind it are asked for again, of a new process
            yield answer


def inspect_all(paths: Sequence[Path]) -> Iterator[tuple[int, Answer]]:
    """(index in `paths`, answer) of every file, in the order in which they get ready; one process for each core.

    An answer holds `reason` and `message` (empty for a clip) and a clip's facts and measures. Closing the iterator
    ends the processes.
    """
    batches: queue.SimpleQueue[int] = queue.SimpleQueue()
    for first in range(0, len(paths), BATCH):
        batches.put(first)
    ready: queue.Queue[tuple[int, Answer] | BaseException | None] = queue.Queue(maxsize=8 * BATCH)
    ended = threading.Event()

    def work() -> None:
        try:
            with _Inspector() as inspector:
                while not ended.is_set():
                    try:
                        first = batches.get_nowait()
                    except queue.Empty:
                        break
                    for place, answer in enumerate(_inspect_batch(inspector, paths[first : first + BATCH]), first):
                        ready.put((place, answer))
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(devices.cores(), -(-len(paths) // BATCH)))]
    for worker in workers:
        worker.start()
    try:
        yield from _answers(ready, len(workers))
    finally:
        ended.set()
        while any(worker.is_alive() for worker in workers):
            _drain(ready)
            time.sleep(0.01)


def _answers(
    ready: queue.Queue[tuple[int, Answer] | BaseException | None], workers: int
) -> Iterator[tuple[int, Answer]]:
    while workers:
        item = ready.get()
        if item is None:
            workers -= 1
        elif isinstance(item, BaseException):
            raise item
        else:
            yield item


def _drain(ready: queue.Queue[tuple[int, Answer] | BaseException | None]) -> None:
    """Make room, so that no worker waits for a reader who has left."""
    while True:
        try:
            ready.get_nowait()
        except queue.Empty:
            return
