"""Quality of trained detectors on streams of real recordings: `python -m benchmarks.quality FOLDER`.

For each word, preset, number of positives and seed: train as a user would on the train and val parts of
../shared/wakebench, then score the best model on its streams, which consist of other recordings. FOLDER stores data
sets, streams and a line of results per training, which are reused; the table is printed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer.audio import manifest
from trainer.config import config_file
from trainer.dataset import clips as clips_of
from trainer.dataset.scan import scan
from trainer.engine.data.batches import open_feed
from trainer.engine.data.clips import ClipArray
from trainer.engine.models import factory
from trainer.engine.training import checkpoints, validation
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system.durable import read_json
from trainer.system.workspace import PROJECT_ROOT, Workspace

SHARED = PROJECT_ROOT.parent / "shared"
sys.path.append(str(SHARED))
from wakebench import score as wakebench  # noqa: E402 - it lies beside the project
from wakebench import splits, streams  # noqa: E402

WORDS = ("jarvis", "computer", "alexa")
CONDITIONS = ("clean", "noise10", "noise5", "reverb")
TARGETS = (0.5, 1.0, 2.0)
BUDGET = 0.5
"""False accepts per hour for which a training chooses the threshold that it ships."""
VAL_SHARE = 0.25
TRAININGS = ("preset", "positives")
"""What tells trainings of a word apart; no number of positives means all."""


def lay_out(folder: Path, word: str) -> None:
    """Split the recordings of a word and build its streams, once."""
    if not (folder / "streams" / word).exists():
        rows = splits.assign(splits.load_set(SHARED / "data", "dev"), word)
        shutil.rmtree(folder / "splits" / word, ignore_errors=True)
        splits.write(rows, folder / "splits" / word, mode="wav")
        streams.build(folder / "splits" / word, SHARED / "data" / "fa_dev", folder / "streams" / word)


def workspace_of(folder: Path, word: str, positives: int) -> Workspace:
    """A workspace with the train and val parts as its splits and `positives` (0: all) clips of the word."""
    workspace = Workspace(folder / "workspaces" / f"{word}-{positives or 'all'}")
    if manifest.split_file(workspace, "test").exists():
        return workspace
    part_of: dict[str, str] = {}
    for part in ("train", "val"):
        with open(folder / "splits" / word / f"{part}.csv", newline="") as file:
            for row in csv.DictReader(file):
                source = folder / "splits" / word / row["path"]
                target = workspace.raw / row["kind"] / source.name
                part_of[f"{row['kind']}/{source.name}"] = part
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
    scan(workspace, lambda *progress: None)
    scanned = clips_of.load(workspace)
    assert scanned is not None
    every_clip = clips_of.as_manifest(scanned.clips)
    parts = {part: [clip for clip in every_clip if part_of[clip.path] == part] for part in ("train", "val")}
    if positives:
        few = {"train": round((1 - VAL_SHARE) * positives), "val": round(VAL_SHARE * positives)}
        parts = {part: _with_few(clips, few[part]) for part, clips in parts.items()}
    for part, clips in (parts | {"test": parts["val"]}).items():
        manifest.write_split(workspace, part, clips)
    return workspace


def _with_few(clips: list[manifest.Clip], positives: int) -> list[manifest.Clip]:
    order = sorted(clips, key=lambda clip: hashlib.sha256(clip.path.encode()).digest())
    chosen = [clip for clip in order if clip.label == "positive"][:positives]
    return [*chosen, *(clip for clip in clips if clip.label != "positive")]


def train(
    workspace: Workspace, preset: str, seed: int, threads: int, data: Mapping[str, float] | None = None
) -> tuple[Run, dict[str, Any]]:
    """Train a preset, with other options of its data, by the command line; returns the run and its status."""
    config = workspace.configs / f"{preset}-{seed}.yaml"
    config.parent.mkdir(parents=True, exist_ok=True)
    training = f"  seed: {seed}\n  threads: {threads}\n  false_accepts_per_hour: {BUDGET:g}\n"
    group = "".join(f"  {name}: {value:g}\n" for name, value in (data or {}).items())
    config.write_text(f"preset: {preset}\n" + (f"data:\n{group}" if group else "") + f"training:\n{training}")
    command = [sys.executable, "-m", "trainer", "--root", str(workspace.root), "--json", "train", str(config), "--wait"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    status = json.loads(done.stdout)
    return Run(Path(status["folder"])), status


def scorer_of(run: Run, folder: Path) -> Any:
    """The best model of a run for wakebench: wave [samples] to (times in seconds, probabilities).

    Features of waves, which no training changes, are stored in the folder, as computing them takes most of the time.
    """
    config = config_file.load(run.config_file)
    best = Best.model_validate(read_json(run.checkpoints / "best.json"))
    model = factory.build(config)
    model.load_state_dict(checkpoints.load(run.checkpoints, best.checkpoint)["model"])
    empty = np.empty(0, np.int64)
    feed = open_feed(
        ClipArray((), np.empty(0, np.int16), empty, empty, empty.reshape(0, 2)), config, torch.device("cpu"),
        augmented=False,
    )  # fmt: skip
    kind = f"{config.features.model_dump_json()} {config.data.window_seconds}".encode()

    def columns_of(wave: np.ndarray) -> torch.Tensor:
        file = folder / "features" / f"{hashlib.sha256(kind + np.ascontiguousarray(wave).tobytes()).hexdigest()}.npy"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            unfinished = file.with_suffix(".part.npy")
            np.save(unfinished, validation.columns_of(feed, wave, lambda: None).numpy())
            unfinished.rename(file)
        return torch.from_numpy(np.load(file))

    def score(wave: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = validation.stream_probability(model, feed, columns_of(wave), lambda: None)
        return validation.hop_seconds(config) * np.arange(1, len(scores) + 1), scores

    return score


def measured(folder: Path, word: str, preset: str, positives: int, seed: int, threads: int) -> dict[str, Any]:
    """Train on recordings and score; returns which words are missed at each rate of false accepts."""
    lay_out(folder, word)
    run, status = train(workspace_of(folder, word, positives), preset, seed, threads)
    about = {"word": word, "preset": preset, "positives": positives, "seed": seed, "threads": threads}
    return about | scored(folder, word, run, status)


def scored(folder: Path, word: str, run: Run, status: dict[str, Any]) -> dict[str, Any]:
    """Which words of the streams a run's best model misses at each rate of false accepts, and at the threshold that
    ships; the run is deleted."""
    truth = json.loads((folder / "streams" / word / "truth.json").read_text())
    raw, _, _ = wakebench.collect(scorer_of(run, folder), folder / "streams" / word, truth)
    points = wakebench.evaluate(raw, truth)["points"]
    tracks = {name: (times, wakebench.smooth(times, scores, 0.2)) for name, (times, scores) in raw.items()}
    missed = {
        str(point["target_fa_per_hour"]): {
            name: np.isnan(wakebench.detections(tracks[name], words, point["threshold"], 1.0, 1.0)[0]).tolist()
            for name, words in truth["positive"].items()
        }
        for point in points if point["scope"] == "all"
    }  # fmt: skip
    shipped = at_threshold(tracks, truth, status["operating_point"]["threshold"])
    minutes, epoch = round(status["elapsed_seconds"] / 60, 2), status["best"]["epoch"]
    shutil.rmtree(run.folder)
    return {"minutes": minutes, "best_epoch": epoch, "missed": missed, "shipped": shipped}


def at_threshold(tracks: dict[str, Any], truth: dict[str, Any], threshold: float) -> dict[str, Any]:
    """Misses by condition, and false accepts with their hours in recordings of even and of odd number: the threshold
    prior was chosen on those of even number, with other words."""
    found = {
        name: wakebench.detections(track, truth["positive"].get(name, []), threshold, 1.0, 1.0)
        for name, track in tracks.items()
    }
    accepts, hours = [0, 0], [0.0, 0.0]
    for name, (times, _) in tracks.items():
        if name not in truth["positive"]:
            odd = int(name.rpartition("_")[2]) % 2
            accepts[odd] += found[name][1]
            hours[odd] += float(times[-1]) / 3600
    missed = {name: np.isnan(found[name][0]).tolist() for name in truth["positive"]}
    return {"threshold": threshold, "missed": missed, "false_accepts": accepts, "hours": hours}


def shipped_table(rows: list[dict[str, Any]], names: Sequence[str] = TRAININGS) -> Iterator[str]:
    """What the thresholds that ship for BUDGET do, over all seeds, and the misses beyond those at the threshold that is
    chosen on the stream itself; `names` are the keys of rows that tell trainings apart."""
    yield f"| word | {' | '.join(names)} | seeds | FA/h | FA/h, odd | clean | noise 10 dB | noise 5 dB | reverb |"
    yield "|" + " --- |" * (8 + len(names))
    groups = defaultdict(list)
    for row in rows:
        groups[row["word"], *(row[name] for name in names)].append(row)
    for row in rows:
        groups["all", *(row[name] for name in names)].append(row)
    for keys, group in groups.items():
        accepts, hours = (np.array([row["shipped"][name] for row in group]) for name in ("false_accepts", "hours"))
        rates = f"{accepts.sum() / hours.sum():.2f} | {accepts[:, 1].sum() / hours[:, 1].sum():.2f}"
        cells = []
        for name in CONDITIONS:
            shipped, best = (
                np.mean([np.mean(missed[name]) for missed in each])
                for each in ([r["shipped"]["missed"] for r in group], [r["missed"][str(BUDGET)] for r in group])
            )
            cells.append(f"{100 * shipped:.1f} ({100 * (shipped - best):+.1f})")
        yield f"| {cell(keys)} | {len(group)} | {rates} | {' | '.join(cells)} |"


def cell(keys: Sequence[object]) -> str:
    return " | ".join(str(key or "all") for key in keys)


def interval(missed: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the miss rate over words; `missed` [seeds, words]."""
    rng, per_word = np.random.default_rng(0), missed.mean(0)
    means = per_word[rng.integers(len(per_word), size=(2000, len(per_word)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def table(rows: list[dict[str, Any]], names: Sequence[str] = TRAININGS) -> Iterator[str]:
    """Miss rates in percent by word, training and false accepts per hour, over all seeds."""
    yield f"| word | {' | '.join(names)} | seeds | minutes | FA/h | clean | noise 10 dB | noise 5 dB | reverb |"
    yield "|" + " --- |" * (8 + len(names))
    groups = defaultdict(list)
    for row in rows:
        groups[row["word"], *(row[name] for name in names)].append(row)
    for keys, group in groups.items():
        minutes = np.mean([row["minutes"] for row in group])
        for target in TARGETS:
            missed = [np.array([row["missed"][str(target)][name] for row in group]) for name in CONDITIONS]
            cells = [
                f"{100 * each.mean():.1f} ({100 * low:.0f}-{100 * high:.0f})"
                for each in missed for low, high in [interval(each)]
            ]  # fmt: skip
            yield f"| {cell(keys)} | {len(group)} | {minutes:.1f} | {target:g} | {' | '.join(cells)} |"


def measure_all(folder: Path, wanted: Iterable[dict[str, Any]], measure: Callable[..., dict[str, Any]]) -> list[Any]:
    """The rows of results.jsonl in the folder, with what `measure(folder, **each)` adds for each wanted combination of
    keys that has none yet; every row is written as soon as it is measured."""
    results = folder / "results.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for keys in wanted:
        if not any(keys.items() <= row.items() for row in rows):
            rows.append(measure(folder, **keys))
            with open(results, "a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=WORDS)
    parser.add_argument("--presets", nargs="+", default=["recommended"])
    parser.add_argument("--positives", nargs="+", type=int, default=[0], help="how many; 0: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=0, help="of each training; 0: all cores")
    arguments = parser.parse_args()
    options = (arguments.presets, arguments.positives, arguments.seeds, arguments.words)
    wanted = (
        {"word": word, "preset": preset, "positives": positives, "seed": seed}
        for preset, positives, seed, word in itertools.product(*options)
    )
    rows = measure_all(arguments.folder.resolve(), wanted, partial(measured, threads=arguments.threads))
    print("\n".join([*table(rows), "", *shipped_table([row for row in rows if "shipped" in row])]))


if __name__ == "__main__":
    main()
