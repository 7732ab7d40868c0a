"""The network of a voice in a process of its own, with limited memory and processor time (see `voice_process`)."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from trainer.system import limited_process

PROCESS = "trainer.synthesis.voice_process"
LOAD_SECONDS, LOAD_SECONDS_PER_MEGABYTE = 10.0, 0.2
"""Limits of processor time, over all threads."""
ANSWER_SECONDS = 300.0
"""The longest wait for an answer, for a process that hangs without using processor time."""
LOUDEST = 32768.0
"""The range of samples is -1..1, or -32768..32767 for some voices."""


@dataclass(frozen=True)
class RunningVoice:
    """A process that has loaded a voice; `advice` ends the message when the voice is refused."""

    child: subprocess.Popen[bytes]
    path: Path
    advice: str

    def refuse(self, problem: str) -> ValueError:
        """The error of a voice that cannot be used; `problem` follows its path in the message."""
        return ValueError(f"{self.path} {problem}. {self.advice}")

    def ask(self, request: Mapping[str, Any], most: int) -> NDArray[np.float32]:
        """The answer to a request: at most `most` samples. Raises ValueError with the problem of the voice."""
        assert self.child.stdin and self.child.stdout
        with suppress(BrokenPipeError):  # the process has ended: reading the answer reports it
            os.write(self.child.stdin.fileno(), json.dumps(request).encode() + b"\n")
        if not select.select([self.child.stdout], [], [], ANSWER_SECONDS)[0]:
            raise self.refuse("is refused: it takes too long")
        line = self.child.stdout.readline()
        answer = json.loads(line or "{}")
        if "problem" in answer:
            raise self.refuse(answer["problem"])
        count = answer.get("samples", 0)
        if count > most:
            raise self.refuse(f"produces {count:,} samples, more than the {most:,} of a valid voice")
        samples = self.child.stdout.read(4 * count)
        if not line or len(samples) < 4 * count:
            raise self.refuse(f"is refused: {limited_process.describe_exit(self.child.wait())}")
        return np.frombuffer(samples, np.float32)

    def processor_seconds(self) -> float:
        """Processor time that the process has used."""
        times = psutil.Process(self.child.pid).cpu_times()
        return float(times.user + times.system)

    def wave(self, inputs: Mapping[str, Any], phonemes: str, seconds: float, most: int) -> NDArray[np.float32]:
        """The sound [samples] of these inputs within `seconds` of processor time. Raises ValueError when it is none."""
        wave = self.ask({"inputs": inputs, "seconds": seconds}, most)
        if not len(wave) or not np.isfinite(wave).all() or np.abs(wave).max() > LOUDEST or not np.ptp(wave):
            raise self.refuse(f"produces no sound for the phonemes {phonemes!r:.60}")
        return wave


@contextmanager
def started(path: Path, advice: str, threads: int = 0, products: bool = False) -> Iterator[RunningVoice]:
    """A process that has loaded the voice in an ONNX file; 0 threads: as many as are useful. `products`: whether to
    rewrite convolutions of integers as products where that is exact. Raises ValueError, OSError."""
    with limited_process.start(PROCESS) as child:
        try:
            running = RunningVoice(child, path, advice)
            seconds = LOAD_SECONDS + LOAD_SECONDS_PER_MEGABYTE * path.stat().st_size / 1e6
            running.ask({"path": str(path), "threads": threads, "products": products, "seconds": seconds}, most=0)
            yield running
        finally:
            child.kill()
