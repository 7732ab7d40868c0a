"""Detectors of a typed word, heard by people: `python -m benchmarks.typed FOLDER`.

For each word, set of voices and seed: synthesise the data set as a user would who has no recordings, train
`recommended`, and score the best model on the streams of ../shared/wakebench, whose words and other speech are of real
people. FOLDER stores data sets, streams and a line of results per training, which are reused; the tables are printed.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import quality
from trainer.audio import manifest
from trainer.dataset import splits
from trainer.dataset.scan import scan
from trainer.synthesis import accents, recipes, typed_words, voice_catalog, voice_install
from trainer.system.workspace import Workspace

HOURS = 3.0
ENGINES = {"espeak": ("espeak",), "both": ("espeak", "kokoro")}
VARIANTS = ("both", "both, plain", "both, plain, hours", "espeak, plain")
"""Engines of a data set; plain: without accented clips, all of one pace and microphone; hours: with fluent speech."""
RATIOS = (0.8, 0.15, 0.05)


def silent(*progress: object) -> None:
    """A report of progress to nobody."""


def share_speech(workspace: Workspace, folder: Path) -> None:
    """Store the speech of a workspace in `folder`, so that no other computes the same clip again."""
    spoken, link = folder / "speech", workspace.cache / "speech"
    spoken.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(spoken)


def workspace_of(folder: Path, word: str, variant: str, voices: str) -> Workspace:
    """A workspace with the synthetic data of a word, scanned and split; `voices` is a folder with the packages of
    Kokoro, or empty to fetch them."""
    workspace = Workspace(folder / "workspaces" / f"{word}-{variant.replace(', ', '-')}")
    if manifest.split_file(workspace, "test").exists():
        return workspace
    shutil.rmtree(workspace.root, ignore_errors=True)
    share_speech(workspace, folder)
    names, *options = variant.split(", ")
    if "kokoro" in ENGINES[names]:
        voice_install.get(workspace, voice_catalog.KOKORO, voices, silent)
    recipe = typed_words.recipe(word, ENGINES[names])
    if "plain" in options:
        plain = recipe.counts["positive"] - accents.count_of(recipe.counts["positive"])
        recipe = replace(recipe, counts=recipe.counts | {"positive": plain}, is_varied=False)
    recipes.synthesise(workspace, replace(recipe, hours=HOURS if "hours" in options else 0), silent)
    scan(workspace, silent)
    splits.split_dataset(workspace, RATIOS, 0)
    return workspace


def measured(folder: Path, word: str, variant: str, seed: int, threads: int, voices: str) -> dict[str, Any]:
    """Synthesise, train and score, as `benchmarks.quality` does with recordings."""
    quality.lay_out(folder, word)
    run, status = quality.train(workspace_of(folder, word, variant, voices), "recommended", seed, threads)
    return {"word": word, "variant": variant, "seed": seed} | quality.scored(folder, word, run, status)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=quality.WORDS)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=0, help="of each training; 0: all cores")
    parser.add_argument("--voices", default="", help="a folder with the packages of Kokoro; else they are fetched")
    arguments = parser.parse_args()
    wanted = (
        {"word": word, "variant": variant, "seed": seed}
        for seed, word, variant in itertools.product(arguments.seeds, arguments.words, arguments.variants)
    )
    rows = quality.measure_all(
        arguments.folder.resolve(), wanted, partial(measured, threads=arguments.threads, voices=arguments.voices)
    )
    print("\n".join([*quality.table(rows, ["variant"]), "", *quality.shipped_table(rows, ["variant"])]))


if __name__ == "__main__":
    main()
