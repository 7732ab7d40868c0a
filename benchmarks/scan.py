"""Time of scans: `python -m benchmarks.scan [FILES]` generates that many clips and prints a table.

The clips are different tones in noise of one to two seconds, 16 kHz WAV, in folders of 100 per speaker.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from trainer.system.workspace import Workspace

EACH = 100


def make_speaker(raw: str, number: int) -> None:
    rng = np.random.default_rng(number)
    folder = Path(raw) / ("positive" if number % 4 == 0 else "negative") / f"speaker{number:05d}"
    folder.mkdir(parents=True)
    for clip in range(EACH):
        seconds = rng.uniform(1, 2)
        times = np.arange(round(16000 * seconds)) / 16000
        glide = rng.uniform(100, 2000) * times + rng.uniform(-300, 300) * np.sin(rng.uniform(1, 20) * times)
        wave = 0.2 * np.sin(2 * np.pi * glide) + 0.02 * rng.standard_normal(len(times))
        soundfile.write(folder / f"{clip:03d}.wav", wave, 16000, "PCM_16")


def scan(workspace: Workspace) -> tuple[float, float]:
    """(seconds, peak resident megabytes of the scanning process)."""
    command = [sys.executable, "-m", "trainer", "scan", "--root", str(workspace.root)]
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return time.monotonic() - start, usage.ru_maxrss / 1024


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace(Path(root))
        with ProcessPoolExecutor() as pool:
            list(pool.map(make_speaker, [str(workspace.raw)] * (count // EACH), range(count // EACH), chunksize=8))
        print("| scan | seconds | files a second | peak memory MB |\n|---|---|---|---|")
        for name in ("first", "second, nothing changed"):
            seconds, memory = scan(workspace)
            print(f"| {name} | {seconds:.1f} | {count / seconds:,.0f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
