"""Detectors of a typed word, heard by people: `python -m benchmarks.typed FOLDER`.

For each word, set of voices and seed: synthesise the data set as a user would who has no recordings, train
`recommended`, and score the best model on the streams of ../shared/wakebench, whose words and other speech are of real
people. FOLDER stores data sets, streams and a line of results per training, which are reused; the tables are printed.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import quality
from trainer.audio import manifest
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.synthesis import recipes, speech_streams
from trainer.synthesis.recipes import Recipe
from trainer.system.workspace import STREAM, Workspace

COUNTS = {"positive": 1000, "negative": 1000, "hard_negative": 600, "background": 80, "rirs": 60}
STREAM_SECONDS = 3.2 * 3600
VARIANTS = ("espeak", "espeak, hours")
RATIOS = (0.8, 0.15, 0.05)


def silent(*progress: object) -> None:
    """A report of progress to nobody."""


def workspace_of(folder: Path, word: str, variant: str) -> Workspace:
    """A workspace with the synthetic data of a word, scanned and split."""
    workspace = Workspace(folder / "workspaces" / f"{word}-{variant.replace(', ', '-')}")
    if manifest.split_file(workspace, "test").exists():
        return workspace
    shutil.rmtree(workspace.root, ignore_errors=True)
    recipes.synthesise(workspace, Recipe(word, counts=COUNTS), silent)
    if "hours" in variant:
        speech_streams.write(workspace.root / "spoken", word, STREAM_SECONDS, 0, silent)
        for file in sorted((workspace.root / "spoken").glob("*.flac")):
            place = workspace.raw / STREAM / f"{recipes.PREFIX}speech{file.stem}" / file.name
            place.parent.mkdir(parents=True)
            file.rename(place)
    scan(workspace, silent)
    splits.split_dataset(workspace, RATIOS, 0)
    return workspace


def measured(folder: Path, word: str, variant: str, seed: int, threads: int) -> dict[str, Any]:
    """Synthesise, train and score, as `benchmarks.quality` does with recordings."""
    quality.lay_out(folder, word)
    run, status = quality.train(workspace_of(folder, word, variant), "recommended", seed, threads)
    return {"word": word, "variant": variant, "seed": seed} | quality.scored(folder, word, run, status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=quality.WORDS)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=0, help="of each training; 0: all cores")
    arguments = parser.parse_args()
    wanted = (
        {"word": word, "variant": variant, "seed": seed}
        for seed, word, variant in itertools.product(arguments.seeds, arguments.words, arguments.variants)
    )
    rows = quality.measure_all(arguments.folder.resolve(), wanted, partial(measured, threads=arguments.threads))
    print("\n".join([*quality.table(rows, ["variant"]), "", *quality.shipped_table(rows, ["variant"])]))


if __name__ == "__main__":
    main()
