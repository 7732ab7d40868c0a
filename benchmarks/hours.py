"""Whether training on fluent speech pays: `python -m benchmarks.hours FOLDER`.

Half of the readers of ../shared/data/fa_dev are given to a training as long recordings (label `stream`); the streams of
wakebench hold the other half only. FOLDER stores data sets, streams and a line of results per training, which are
reused; the table is printed.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import quality
from benchmarks.quality import BUDGET, CONDITIONS, SHARED, wakebench
from trainer.audio import manifest
from trainer.dataset import clips as clips_of
from trainer.dataset.scan import scan
from trainer.system.workspace import STREAM, Workspace

TESTED = frozenset(("1867", "2416", "3526", "4640", "669", "7312", "7859"))
"""Readers in the streams; the other seven are given to the training."""
VARIANTS = {
    "without": {},
    "stream_share 0.15": {"stream_share": 0.15},
    "stream_share 0.3": {"stream_share": 0.3},
    "stream_share 0.3, mined_share 0.1": {"stream_share": 0.3, "mined_share": 0.1},
}
"""Options of the data that are not those of the preset; the first one gets no long recordings."""


def readers(tested: bool) -> list[dict[str, str]]:
    """The rows of the manifest of fa_dev with the readers that are tested, or with the others."""
    with open(SHARED / "data" / "fa_dev" / "MANIFEST.csv", newline="") as file:
        return [row for row in csv.DictReader(file) if (row["speaker"] in TESTED) is tested]


def lay_out(folder: Path, word: str) -> None:
    """Split the recordings of a word and build its streams with the tested readers, once."""
    target = folder / "streams" / word
    if target.exists():
        return
    rows, spoken = quality.splits.assign(quality.splits.load_set(SHARED / "data", "dev"), word), folder / "spoken"
    shutil.rmtree(folder / "splits" / word, ignore_errors=True)
    quality.splits.write(rows, folder / "splits" / word, mode="wav")
    spoken.mkdir(exist_ok=True)
    tested = readers(True)
    with open(spoken / "MANIFEST.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(tested[0]))
        writer.writeheader()
        writer.writerows(row | {"file": str(SHARED / "data" / "fa_dev" / row["file"])} for row in tested)
    quality.streams.build(folder / "splits" / word, spoken, target)


def workspace_of(folder: Path, word: str, given: bool) -> Workspace:
    """The workspace of `benchmarks.quality`; if `given`, with the other readers as long recordings to train on."""
    plain = quality.workspace_of(folder, word, 0)
    if not given:
        return plain
    workspace = Workspace(folder / "workspaces" / f"{word}-given")
    if manifest.split_file(workspace, "test").exists():
        return workspace
    shutil.copytree(plain.raw, workspace.raw, copy_function=os.link, dirs_exist_ok=True)
    for row in readers(False):
        place = workspace.raw / STREAM / row["speaker"] / Path(row["file"]).name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SHARED / "data" / "fa_dev" / row["file"], place)
    scan(workspace, lambda *progress: None)
    scanned = clips_of.load(workspace)
    assert scanned is not None
    streams = [clip for clip in clips_of.as_manifest(scanned.clips) if clip.label == STREAM]
    for part in manifest.SPLITS:
        clips = manifest.read_split(plain, part)
        states = {path: (workspace.raw / path).stat() for path in (clip.path for clip in clips)}
        assert all(states[clip.path].st_size == clip.size for clip in clips)
        manifest.write_split(workspace, part, [*clips, *streams] if part == "train" else clips)
    return workspace


def measured(folder: Path, word: str, variant: str, seed: int, threads: int) -> dict[str, Any]:
    """Train and score; returns misses at BUDGET on the streams, and what the shipped threshold does there."""
    lay_out(folder, word)
    workspace = workspace_of(folder, word, variant != "without")
    run, status = quality.train(workspace, "recommended", seed, threads, VARIANTS[variant])
    stream = folder / "streams" / word
    truth = json.loads((stream / "truth.json").read_text())
    raw, _, _ = wakebench.collect(quality.scorer_of(run), stream, truth)
    points = wakebench.evaluate(raw, truth)["points"]
    point = next(each for each in points if each["scope"] == "all" and each["target_fa_per_hour"] == BUDGET)
    tracks = {name: (times, wakebench.smooth(times, scores, 0.2)) for name, (times, scores) in raw.items()}
    missed = quality.at_threshold(tracks, truth, point["threshold"])["missed"]
    shipped = quality.at_threshold(tracks, truth, status["operating_point"]["threshold"])
    minutes = round(status["elapsed_seconds"] / 60, 2)
    shutil.rmtree(run.folder)
    return {"word": word, "variant": variant, "seed": seed, "minutes": minutes, "missed": missed, "shipped": shipped}


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Misses in percent at BUDGET on the streams, then at the shipped threshold with its false accepts per hour."""
    yield f"| word | training | seeds | minutes | at {BUDGET:g}/h: {' / '.join(CONDITIONS)} | shipped: FA/h | misses |"
    yield "|" + " --- |" * 7
    groups = defaultdict(list)
    for row in rows:
        groups[row["word"], row["variant"]].append(row)
    for row in rows:
        groups["all", row["variant"]].append(row)
    for (word, variant), group in groups.items():
        accepts, hours = (sum(sum(row["shipped"][name]) for row in group) for name in ("false_accepts", "hours"))
        cells = [
            " / ".join(f"{100 * np.mean([np.mean(each[name]) for each in missed]):.1f}" for name in CONDITIONS)
            for missed in ([row["missed"] for row in group], [row["shipped"]["missed"] for row in group])
        ]
        minutes = np.mean([row["minutes"] for row in group])
        yield (
            f"| {word} | {variant} | {len(group)} | {minutes:.1f} | {cells[0]} | {accepts / hours:.2f} | {cells[1]} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=quality.WORDS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=0, help="of each training; 0: all cores")
    arguments = parser.parse_args()
    results = arguments.folder.resolve() / "results.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    known = {(row["word"], row["variant"], row["seed"]) for row in rows}
    for seed, word, variant in itertools.product(arguments.seeds, arguments.words, arguments.variants):
        if (word, variant, seed) not in known:
            rows.append(measured(results.parent, word, variant, seed, arguments.threads))
            with open(results, "a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
