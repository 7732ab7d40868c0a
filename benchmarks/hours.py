"""Whether training on fluent speech pays, and whether promises are kept: `python -m benchmarks.hours FOLDER`.

Half of the readers of ../shared/data/fa_dev are given to a training as long recordings (label `stream`); the streams of
wakebench hold the other half only. For models without long recordings, thresholds are also chosen in the first half,
and in synthetic speech, for several budgets, and their false accepts counted in the other. FOLDER stores data sets,
streams and a line of results per training, which are reused; the tables are printed.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import prior, quality
from benchmarks.quality import BUDGET, CONDITIONS, SHARED, wakebench
from trainer.audio import audio_file, audio_formats, manifest
from trainer.dataset import clips as clips_of
from trainer.dataset.scan import scan
from trainer.engine.training import validation
from trainer.evaluation import curve, intervals
from trainer.streams.stream_set import Recording, ScoredStream
from trainer.synthesis import speech_streams
from trainer.system.workspace import STREAM, Workspace

TESTED = frozenset(("1867", "2416", "3526", "4640", "669", "7312", "7859"))
"""Readers in the streams; the other seven are given to the training."""
BUDGETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
"""False accepts per hour; the hours are too few to promise the first ones."""
SYNTHETIC_SECONDS = 3.2 * 3600
"""What a demo of the default size makes."""
TAIL, TAIL_FROM = 20, -3.0
"""How many of the highest peaks an exponential tail is fitted to, and the lowest logit of a peak."""
VARIANTS = {
    "without": {},
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
        manifest.write_split(workspace, part, [*clips, *streams] if part == "train" else clips)
    return workspace


def given_streams(score: Any) -> list[ScoredStream]:
    """The readers that are not tested, one stream each, as a model scores them."""
    by_reader = defaultdict(list)
    for row in readers(False):
        by_reader[row["speaker"]].append(SHARED / "data" / "fa_dev" / row["file"])
    return [scored(name, files, score) for name, files in by_reader.items()]


def synthetic_streams(folder: Path, word: str, score: Any) -> list[ScoredStream]:
    """Fluent synthetic speech without the word, made once, as a model scores it."""
    spoken = folder / "synthetic" / word
    if not spoken.exists():
        unfinished = folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        speech_streams.write(unfinished, word, SYNTHETIC_SECONDS, 0, lambda *progress: None)
        spoken.parent.mkdir(exist_ok=True)
        unfinished.rename(spoken)
    return [scored(file.stem, [file], score) for file in sorted(spoken.glob("*.flac"))]


def scored(name: str, files: Sequence[Path], score: Any) -> ScoredStream:
    """Files in a row as one long recording with the scores of a model."""
    wave = np.concatenate([audio_file.read_16k(file) for file in files])
    times, scores = score(wave)
    seconds = len(wave) / audio_formats.SAMPLE_RATE
    recording = Recording(name=name, path=name, seconds=seconds, condition="speech", counts_false_accepts=True)
    return validation.smoothed(recording, scores, float(times[0]))


def exponential_tail(streams: Sequence[ScoredStream], hours: float, per_hour: float) -> float:
    """The threshold for a budget if the logits of the highest peaks, at least a second apart, fall exponentially
    (peaks over threshold, Coles, "An Introduction to Statistical Modeling of Extreme Values", 2001)."""
    found = np.sort([peak for each in streams for peak in prior.peaks(each.track.probability, TAIL_FROM)])[::-1]
    logits = np.log(found / (1 - found))[: TAIL + 1]
    scale = float(np.mean(logits[:-1] - logits[-1]))
    return float(1 / (1 + np.exp(-logits[-1] - scale * np.log(TAIL / hours / per_hour))))


def calibration(
    chosen_on: Mapping[str, Sequence[ScoredStream]], tracks: dict[str, Any], words: Sequence[Any]
) -> list[dict[str, Any]]:
    """For each kind of hours and budget: the threshold that keeps to the budget there with 90 % confidence, where the
    hours suffice, the one that just keeps to it, and the one of a fitted tail, each with its false accepts in the
    speech of other readers and the share of the clean words that it misses."""
    spoken = [track for name, track in tracks.items() if name.startswith("speech")]
    tested, rows = sum(float(times[-1]) for times, _ in spoken) / 3600, []
    for kind, streams in chosen_on.items():
        hours, points = curve.hours(streams), curve.curve(streams)
        for per_hour in BUDGETS:
            allowed = intervals.allowed(per_hour, hours)
            promise = None if allowed is None else curve.at_rate(points, allowed / hours)
            estimate = curve.at_rate(points, per_hour)
            thresholds = {
                "promise": promise and promise.threshold,
                "estimate": estimate and estimate.threshold,
                "tail": exponential_tail(streams, hours, per_hour),
            }
            for rule, threshold in thresholds.items():
                if threshold is not None:
                    accepts = sum(wakebench.detections(track, [], threshold, 1.0, 1.0)[1] for track in spoken)
                    missed = np.isnan(wakebench.detections(tracks["clean"], words, threshold, 1.0, 1.0)[0])
                    about = {"chosen_on": kind, "chosen_on_hours": hours, "budget": per_hour, "rule": rule}
                    rows.append(about | {"false_accepts": accepts, "hours": tested, "missed": float(missed.mean())})
    return rows


def measured(folder: Path, word: str, variant: str, seed: int, threads: int) -> dict[str, Any]:
    """Train and score; returns misses at BUDGET on the streams, and what the shipped threshold does there."""
    lay_out(folder, word)
    workspace = workspace_of(folder, word, variant != "without")
    run, status = quality.train(workspace, "recommended", seed, threads, VARIANTS[variant])
    stream = folder / "streams" / word
    truth = json.loads((stream / "truth.json").read_text())
    score = quality.scorer_of(run, folder)
    raw, _, _ = wakebench.collect(score, stream, truth)
    points = wakebench.evaluate(raw, truth)["points"]
    point = next(each for each in points if each["scope"] == "all" and each["target_fa_per_hour"] == BUDGET)
    tracks = {name: (times, wakebench.smooth(times, scores, 0.2)) for name, (times, scores) in raw.items()}
    missed = quality.at_threshold(tracks, truth, point["threshold"])["missed"]
    shipped = quality.at_threshold(tracks, truth, status["operating_point"]["threshold"])
    minutes = round(status["elapsed_seconds"] / 60, 2)
    kept = {}
    if variant == "without":
        hours = {"other readers": given_streams(score), "synthetic speech": synthetic_streams(folder, word, score)}
        kept = {"calibration": calibration(hours, tracks, truth["positive"]["clean"])}
    shutil.rmtree(run.folder)
    about = {"word": word, "variant": variant, "seed": seed, "minutes": minutes}
    return about | {"missed": missed, "shipped": shipped} | kept


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


def calibration_table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """False accepts per hour in readers' speech at thresholds chosen elsewhere for a budget, over words and seeds."""
    yield "| chosen on | rule | budget, /h | measured, /h | interval | within the budget | clean words missed, % |"
    yield "|" + " --- |" * 7
    groups = defaultdict(list)
    for row in rows:
        for each in row.get("calibration", []):
            groups[each["chosen_on"], each["rule"], each["budget"]].append(each)
    for (kind, rule, per_hour), group in sorted(groups.items()):
        accepts, hours = (sum(each[name] for each in group) for name in ("false_accepts", "hours"))
        low, high = (bound / hours for bound in intervals.of_count(accepts))
        missed = 100 * float(np.mean([each["missed"] for each in group]))
        within = sum(each["false_accepts"] <= per_hour * each["hours"] for each in group)
        yield (
            f"| {group[0]['chosen_on_hours']:.2f} h of {kind} | {rule} | {per_hour:g} | {accepts / hours:.2f} | "
            f"{low:.2f} to {high:.2f} | {within} of {len(group)} | {missed:.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=quality.WORDS)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=0, help="of each training; 0: all cores")
    arguments = parser.parse_args()
    wanted = (
        {"word": word, "variant": variant, "seed": seed}
        for seed, word, variant in itertools.product(arguments.seeds, arguments.words, arguments.variants)
    )
    rows = quality.measure_all(arguments.folder.resolve(), wanted, partial(measured, threads=arguments.threads))
    print("\n".join([*table(rows), "", *calibration_table(rows)]))


if __name__ == "__main__":
    main()
