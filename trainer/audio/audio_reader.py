"""Reads audio files in a child process with limited memory and processor time, which contains decoder faults.

Requests and answers are lines of JSON; samples (float32) may follow an answer. The limit is in processor time, so that
a busy machine or a stopped process fails no file.
"""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.audio.audio_file import AudioFacts
from trainer.audio.audio_formats import AudioRefused
from trainer.system import limited_process
from trainer.system.workspace import PROJECT_ROOT

Message = dict[str, Any]
Wave = NDArray[np.float32]

COMMAND = [sys.executable, "-m", "trainer.dataset.inspector"]
SECONDS = 20.0
"""Processor time for one file, and more for each megabyte."""
SECONDS_PER_MEGABYTE = 0.5
STILL_SECONDS = 15.0
"""A process that sleeps this long without processor time or reads hangs."""
MOST_IDLE = 2
"""Idle processes kept for the next file."""
_POLL_SECONDS = 0.25
_CHUNK = 1 << 20
_WAITING = ("sleeping", "disk-sleep", "idle")
"""States of a process in the words of psutil."""


class ReaderFailed(AudioRefused):
    """The process gave no answer about a file; the message is `cause`; `advice`."""

    def __init__(self, reason: str, cause: str, advice: str) -> None:
        super().__init__(reason, f"{cause}; {advice}.")
        self.cause, self.advice = cause, advice


def allowance(path: Path, seconds: float = SECONDS) -> float:
    """Processor time in seconds that reading a file may take."""
    try:
        return seconds + SECONDS_PER_MEGABYTE * path.lstat().st_size / 1e6
    except OSError:
        return seconds


def _activity(pid: int) -> tuple[bool, float, int]:
    """Whether a process sleeps, its processor time in seconds and the bytes that it has read."""
    import psutil  # not needed by a detector that gets samples

    try:
        process = psutil.Process(pid)
        waiting, times = process.status() in _WAITING, process.cpu_times()
    except psutil.Error:  # it has just ended, and so will its output
        return False, 0.0, 0
    read = 0
    with suppress(AttributeError, psutil.Error):  # unknown on macOS
        read = int(process.io_counters().read_chars)
    return waiting, times.user + times.system, read


class Reader:
    """One process of trainer.dataset.inspector, restarted when it has ended. Not thread-safe."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = bytearray()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> int:
        """Kill the process; returns its exit code (0: there was none, or it has not ended yet)."""
        process, self._process, self._unread = self._process, None, bytearray()
        if process is None:
            return 0
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                assert pipe
                pipe.close()
        with suppress(subprocess.TimeoutExpired):  # a process that waits for a dead disk survives SIGKILL
            return process.wait(2.0)
        return 0

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PROJECT_ROOT,
            env=os.environ | limited_process.ONE_THREAD,
        )
        if self._line() is None:
            raise OSError(f"The process that reads audio files did not start (exit code {self.end()}). Try again.")

    def ask(self, *requests: Message) -> None:
        """Send requests, which are answered in order. Raises OSError when no process can be started."""
        if self._process is None:
            self._start()
        assert self._process and self._process.stdin
        try:
            self._process.stdin.write(b"".join(json.dumps(request).encode() + b"\n" for request in requests))
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died, so no answer follows

    def _more(self) -> bool:
        """Wait for output; False when the process has ended or hangs."""
        assert self._process and self._process.stdout
        still, last = 0.0, None
        while not select.select([self._process.stdout], [], [], _POLL_SECONDS)[0]:
            activity = _activity(self._process.pid)
            # counted rather than timed, as this process may be stopped too
            still = still + _POLL_SECONDS if activity == last and activity[0] else 0.0
            last = activity
            if still >= STILL_SECONDS:
                return False
        data = os.read(self._process.stdout.fileno(), _CHUNK)  # select does not see Python's own buffer
        self._unread += data
        return bool(data)

    def _line(self) -> Message | None:
        while (end := self._unread.find(b"\n")) < 0:
            if not self._more():
                return None
        line = bytes(self._unread[: end + 1])
        del self._unread[: end + 1]
        answer: Message = json.loads(line)
        return answer

    def answer(self, seconds: float) -> Message:
        """The next answer, for which `seconds` of processor time are allowed. Raises ReaderFailed when the process has
        ended or hangs."""
        answer = self._line()
        if answer is None:
            raise self._failure(seconds)
        return answer

    def samples(self, count: int, seconds: float) -> Wave:
        """The samples [count] that follow an answer. Raises as `answer`."""
        size = 4 * count
        while len(self._unread) < size:
            if not self._more():
                raise self._failure(seconds)
        wave = np.frombuffer(bytes(self._unread[:size]), np.float32)
        del self._unread[:size]
        return wave

    def _failure(self, seconds: float) -> ReaderFailed:
        assert self._process
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)
        ended = self._process.poll()
        self.end()
        if ended is None:
            cause = f"Reading it made no progress for {STILL_SECONDS:g} s, as on a disk that does not respond"
            return ReaderFailed("not_answering", cause, "check the disk, then try again")
        if ended == -signal.SIGPROF:
            limit = f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}"
            cause = f"Reading it took more than {limit} s of processor time"
            return ReaderFailed("decoder_hang", cause, "record or convert it again")
        return ReaderFailed("decoder_crash", f"The decoder crashed on it ({ended})", "convert it again")


@cache
def _idle() -> queue.LifoQueue[Reader]:
    """Idle child processes, as starting Python takes longer than most files. They end with this process."""
    return queue.LifoQueue()


@contextmanager
def _borrowed() -> Iterator[Reader]:
    """An idle or new process, which is ended when its work fails."""
    try:
        reader = _idle().get_nowait()
    except queue.Empty:
        reader = Reader(COMMAND)
    if not reader.is_alive():
        reader.end()
    try:
        yield reader
    except BaseException:
        reader.end()
        raise
    if _idle().qsize() < MOST_IDLE:
        _idle().put(reader)
    else:
        reader.end()


def _raise(answer: Message) -> None:
    if answer["reason"] == "missing":
        raise FileNotFoundError(answer["message"])
    if answer["reason"]:
        raise AudioRefused(answer["reason"], answer["message"])


def _request(do: str, path: Path, **arguments: object) -> Message:
    return {"do": do, "path": str(path.absolute()), "seconds": allowance(path), **arguments}


def _answer(request: Message) -> tuple[Message, Wave]:
    """The answer to a request and its samples. Raises AudioRefused, FileNotFoundError, OSError."""
    with _borrowed() as reader:
        reader.ask(request)
        answer = reader.answer(request["seconds"])
        wave = reader.samples(answer.get("samples", 0), request["seconds"])
    _raise(answer)
    return answer, wave


def facts(path: Path) -> AudioFacts:
    """As audio_file.facts."""
    return AudioFacts(**_answer(_request("facts", path))[0]["facts"])


def read(path: Path, channel: int = 0) -> tuple[Wave, AudioFacts]:
    """As audio_file.read."""
    answer, wave = _answer(_request("read", path, channel=channel))
    return wave, AudioFacts(**answer["facts"])


def part(path: Path, first: float, last: float) -> tuple[Wave, int]:
    """As audio_file.part."""
    answer, wave = _answer(_request("part", path, first=first, last=last))
    return wave, int(answer["sample_rate"])


def pieces_16k(path: Path) -> Iterator[Wave]:
    """As audio_file.pieces_16k; the limit of processor time holds for each piece."""
    request = _request("pieces", path)
    with _borrowed() as reader:
        reader.ask(request)
        while (answer := reader.answer(request["seconds"])).get("samples"):
            yield reader.samples(answer["samples"], request["seconds"])
    _raise(answer)
