"""What `create` promises and what people get: `python -m benchmarks.create FOLDER`.

For each word and seed: create a detector from the typed word alone, then score it on the streams of
../shared/wakebench, whose words and other speech are of real people. FOLDER stores workspaces, streams and a line of
results per detector, which are reused; the table is printed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import quality
from benchmarks.typed import silent
from trainer.run.runs import Run
from trainer.synthesis import voice_catalog, voice_install
from trainer.system.workspace import PROJECT_ROOT, Workspace

MINUTES = 10.0
"""What the app suggests."""


def created(workspace: Workspace, word: str, seed: int, minutes: float, voices: str) -> dict[str, Any]:
    """Create a detector in a workspace as a user would; returns its status. `voices` is a folder with the packages of
    Kokoro, or empty to fetch them."""
    workspace.root.mkdir(parents=True, exist_ok=True)
    voice_install.get(workspace, voice_catalog.KOKORO, voices, silent)
    options = ["--root", str(workspace.root), "--json", "create", word, f"--seed={seed}", f"--minutes={minutes:g}"]
    command = [sys.executable, "-m", "trainer", *options, "--wait"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    status: dict[str, Any] = json.loads(done.stdout)
    return status


def measured(folder: Path, word: str, seed: int, minutes: float, voices: str) -> dict[str, Any]:
    """Create a detector and score it."""
    quality.lay_out(folder, word)
    status = created(Workspace(folder / "workspaces" / f"{word}-{seed}"), word, seed, minutes, voices)
    told = {"headline": status["headline"]["text"], "seconds": status["creation"]["seconds"]}
    return {"word": word, "seed": seed} | told | quality.scored(folder, word, Run(Path(status["folder"])), status)


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The headline of each detector beside what it does on recordings of people at the threshold that it ships."""
    yield "| word | seed | minutes | headline | false accepts per hour | clean | noise 10 dB | noise 5 dB | reverb |"
    yield "|" + " --- |" * 9
    for row in rows:
        shipped = row["shipped"]
        missed = " | ".join(f"{100 * np.mean(shipped['missed'][name]):.1f}" for name in quality.CONDITIONS)
        rate = sum(shipped["false_accepts"]) / sum(shipped["hours"])
        yield (
            f"| {row['word']} | {row['seed']} | {row['seconds'] / 60:.0f} | {row['headline']} | {rate:.2f} | {missed} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=quality.WORDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--voices", default="", help="a folder with the packages of Kokoro; else they are fetched")
    arguments = parser.parse_args()
    wanted = ({"word": word, "seed": seed} for seed, word in itertools.product(arguments.seeds, arguments.words))
    measure = partial(measured, minutes=arguments.minutes, voices=arguments.voices)
    rows = quality.measure_all(arguments.folder.resolve(), wanted, measure)
    print("\n".join(table(sorted(rows, key=lambda row: (row["word"], row["seed"])))))


if __name__ == "__main__":
    main()
