"""The best epoch by each criterion with wrong labels, and how many of these are detected.

python -m benchmarks.best_epoch FOLDER

For each word, number of positives and seed, 5 % of the positives of train and val, at least one of each, are replaced
by other words (`--wrong every`: 5 % of the negatives and backgrounds also contain the word). `recommended` is trained,
every epoch is scored on the streams of ../shared/wakebench at 1 false accept per hour, and the epoch that each
criterion chooses is compared with the best one of the same run. FOLDER stores data sets, streams and a line per
training, which are reused.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn

from benchmarks.quality import CONDITIONS, VAL_SHARE, WORDS, lay_out, wakebench
from trainer.audio import manifest
from trainer.config import config_file
from trainer.dataset import clips as clips_of
from trainer.dataset.scan import scan
from trainer.detector import stream_scores
from trainer.detector.stream_scores import Track
from trainer.engine.models import factory
from trainer.engine.training import checkpoints, loop, validation
from trainer.engine.training.session import Session
from trainer.evaluation import wrong_labels
from trainer.evaluation.wrong_labels import MOST_SHARE, ranked
from trainer.run import metrics, models
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

WRONG_SHARE = 0.05
SHORT_SECONDS = 3.0
"""Longest replacement of a word, so that it is another word rather than a sentence."""
AVERAGED = 10
MEASURES = ("robust_loss", "val_loss", "f1", "miss_rate")
HARD_SHARE = 1 / 32
"""Share of the windows without the word that is scored for every epoch, with their neighbours: those that two epochs
score highest. The others are far below any threshold at 1 false accept per hour."""


def shuffled(names: list[str], seed: object) -> list[str]:
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())


def _labels(rows: list[dict[str, str]], positives: int, every: bool, seed: int) -> tuple[dict[str, str], set[str]]:
    """The label of each used clip by its path, and the paths with a wrong label."""
    label = {row["path"]: row["kind"] for row in rows}
    words = shuffled([path for path in label if label[path] == "positive"], "few")
    few = words[: positives or len(words)]
    for path in set(words) - set(few):
        del label[path]
    count = max(1, round(WRONG_SHARE * len(few)))
    short = [r["path"] for r in rows if r["kind"] == "negative" and float(r["seconds"]) < SHORT_SECONDS]
    wrong = dict.fromkeys(shuffled(short, seed)[:count], "positive")
    mixed = shuffled(few, seed)
    for path in mixed[:count]:
        del label[path]
    rest = iter(mixed[count:])
    for other in ("negative", "background") if every else ():
        share = min(round(WRONG_SHARE * list(label.values()).count(other)), len(few) // 4)
        wrong |= {next(rest): other for _ in range(max(1, share))}
    return label | wrong, set(wrong)


def workspace_of(folder: Path, word: str, positives: int, every: bool, seed: int) -> tuple[Workspace, set[str]]:
    """A workspace with wrong labels, and the paths of the mislabelled clips."""
    name = f"{word}-{positives or 'all'}-{'every' if every else 'positives'}-{seed}"
    workspace, part_of, wrong = Workspace(folder / "wrong" / name), {}, set()
    shutil.rmtree(workspace.root, ignore_errors=True)
    for part, share in (("train", 1 - VAL_SHARE), ("val", VAL_SHARE)):
        with open(folder / "splits" / word / f"{part}.csv", newline="") as file:
            labels, mislabelled = _labels(list(csv.DictReader(file)), round(share * positives), every, seed)
        for path, label in labels.items():
            target = workspace.raw / label / Path(path).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / "splits" / word / path, target)
            part_of[f"{label}/{target.name}"] = part
            wrong |= {f"{label}/{target.name}"} if path in mislabelled else set()
    scan(workspace, lambda *progress: None)
    scanned = clips_of.load(workspace)
    assert scanned is not None
    every_clip = clips_of.as_manifest(scanned.clips)
    for split in ("train", "val", "test"):
        part = "val" if split == "test" else split
        manifest.write_split(workspace, split, [clip for clip in every_clip if part_of[clip.path] == part])
    return workspace, wrong


def train(workspace: Workspace, seed: int, threads: int) -> Session:
    """A run of `recommended` that keeps the checkpoint of every epoch."""
    run = Run(workspace.runs / "20260101-120000-0001")
    run.folder.mkdir(parents=True)
    options = {"preset": "recommended", "training": {"seed": seed, "threads": threads}}
    durable.replace_bytes(run.config_file, config_file.dump(config_file.build(options)))
    with mock.patch.object(checkpoints, "KEPT", 1_000_000):
        session = loop.prepare(workspace, run, 1, lambda: None)
        assert loop.train(session).state == "completed"
    return session


class Streams:
    """The streams of a word as columns of features, for scoring models."""

    def __init__(self, folder: Path, word: str, session: Session) -> None:
        self.truth = json.loads((folder / "streams" / word / "truth.json").read_text())
        negative = [name for part in self.truth["negative"].values() for name in part["files"]]
        self.hours = sum(part["hours"] for part in self.truth["negative"].values())
        self.names = [*self.truth["positive"], *negative]
        self.hop, self.feed = validation.hop_seconds(session.config), session.val
        cached = folder / "columns" / f"{word}.pt"
        if not cached.exists():
            cached.parent.mkdir(exist_ok=True)
            torch.save([self._columns(folder / "streams" / word / f"{name}.wav") for name in self.names], cached)
        columns: list[torch.Tensor] = torch.load(cached)
        self.lengths = [stream_windows(session, each) for each in columns]
        size = validation.columns_of_windows(session.config, 1)
        self.every = torch.cat([each.unfold(0, size, 1) for each in columns])
        self.words = np.arange(len(self.every)) < sum(self.lengths[: len(self.truth["positive"])])
        self.selected = np.ones(len(self.every), bool)

    def _columns(self, path: Path) -> torch.Tensor:
        return validation.columns_of(self.feed, wakebench.read(path), lambda: None).clone()

    @torch.inference_mode()
    def probability(self, model: nn.Module) -> np.ndarray:
        """Probabilities of the selected windows, 0 for the others."""
        scores, model = np.zeros(len(self.every)), model.eval()
        indices = np.flatnonzero(self.selected)
        for batch in np.array_split(indices, math.ceil(len(indices) / 4096)):
            scores[batch] = model(self.every[torch.from_numpy(batch)]).double().sigmoid().numpy()
        return scores

    def select_hardest(self, models: list[nn.Module]) -> None:
        """Deselect the windows that are easy for all these models."""
        selected = self.words.copy()
        for model in models:
            score = np.where(self.words, -1, self.probability(model))
            hard = score >= np.partition(score, -round(HARD_SHARE * len(score)))[-round(HARD_SHARE * len(score))]
            for hops in range(-3, 4):
                selected |= np.roll(hard, hops)
        self.selected = selected

    def misses(self, model: nn.Module) -> list[float]:
        """Percent of the words missed in each condition at 1 false accept per hour."""
        scores, tracks = self.probability(model), {}
        for name, part in zip(self.names, np.split(scores, np.cumsum(self.lengths)[:-1]), strict=True):
            times = self.hop * np.arange(1, len(part) + 1)
            tracks[name] = times, wakebench.smooth(times, part, stream_scores.SMOOTHING_SECONDS)
        other = [Track(tracks[name][1], np.empty((0, 2)), self.hop) for name in self.names[len(CONDITIONS) :]]
        allowed = int(self.hours + 1e-9)
        thresholds, counts = stream_scores.false_accept_steps(other, allowed)
        threshold = float(thresholds[len(counts) - 1 - int(counts[-1] > allowed)])
        return [
            100 * float(np.isnan(wakebench.detections(tracks[name], words, threshold, 1.0, 1.0)[0]).mean())
            for name, words in ((name, self.truth["positive"][name]) for name in CONDITIONS)
        ]


def stream_windows(session: Session, columns: torch.Tensor) -> int:
    return len(columns) - validation.columns_of_windows(session.config, 1) + 1


def detected_labels(run: Run, wrong: set[str]) -> tuple[int, int]:
    """Number of wrong labels in the first tenth of their label, and number of wrong labels with a score."""
    scores = wrong_labels.read_scores(run)
    assert scores is not None
    detected = 0
    for label in {clip.label for clip in scores.clips}:
        first = ranked([clip for clip in scores.clips if clip.label == label])
        detected += sum(clip.path in wrong for clip in first[: math.ceil(MOST_SHARE * len(first))])
    return detected, sum(clip.path in wrong for clip in scores.clips)


def measured(folder: Path, word: str, positives: int, every: bool, seed: int, threads: int) -> dict[str, Any]:
    """One training: misses after each epoch and of the averaged last ones, metrics, and detected wrong labels."""
    lay_out(folder, word)
    workspace, wrong = workspace_of(folder, word, positives, every, seed)
    session = train(workspace, seed, threads)
    metrics.read_to_end(tail := metrics.Tail(), session.run.metrics_file)
    names = [checkpoints.name(row["epoch"]) for row in tail.epochs]
    states = [checkpoints.load(session.run.checkpoints, name)["model"] for name in names]
    last = states[-AVERAGED:]
    states.append({key: torch.stack([state[key].float() for state in last]).mean(0) for key in last[0]})

    def model_of(state: dict[str, torch.Tensor]) -> nn.Module:
        model = factory.build(session.config)
        model.load_state_dict(state)
        return model.eval()

    streams = Streams(folder, word, session)
    streams.select_hardest([model_of(states[2]), model_of(states[-2])])
    *misses, averaged = [streams.misses(model_of(state)) for state in states]
    rows = [{name: row.get(name) for name in MEASURES} for row in tail.epochs]
    hit, scored = detected_labels(session.run, wrong)
    key = {"word": word, "positives": positives, "every": every, "seed": seed}
    shutil.rmtree(workspace.root)
    return key | {
        "rows": rows,
        "misses": misses,
        "averaged": averaged,
        "wrong": len(wrong),
        "scored": scored,
        "hit": hit,
    }


def best_index(row: dict[str, Any], by: str) -> int:
    """The index of the best epoch by a criterion."""
    best: Best | None = None
    for epoch, each in enumerate(row["rows"], start=1):
        measures = each | {"epoch": epoch, "val_accuracy": None}
        if best is None or models.is_better(measures, best, by):
            best = models.best_of_row(measures, "", by)
    assert best is not None
    return best.epoch - 1


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Misses in percent, and the excess over the best epoch (by the mean of the conditions, the last of equals)."""
    yield "| word | positives | wrong | seed | chosen by | epoch | clean | 10 dB | 5 dB | reverb | largest excess |"
    yield "|" + " --- |" * 11
    for row in rows:
        misses = np.array(row["misses"])
        means = misses.mean(1)
        best = misses[len(means) - 1 - int(np.argmin(means[::-1]))]
        choices = {by: best_index(row, by) for by in MEASURES} | {"last": len(misses) - 1}
        rows_by_name: dict[str, tuple[object, np.ndarray]] = {
            name: (index + 1, misses[index]) for name, index in choices.items()
        }
        rows_by_name[f"last {AVERAGED} averaged"] = ("", np.array(row["averaged"]))
        rows_by_name["lowest of each"] = ("", misses.min(0))
        rows_by_name |= {"best": (len(means) - int(np.argmin(means[::-1])), best)}
        wrong = "every" if row["every"] else "positives"
        head = f"| {row['word']} | {row['positives'] or 'all'} | {wrong} | {row['seed']}"
        for name, (epoch, cells) in rows_by_name.items():
            text = " | ".join(f"{cell:.1f}" for cell in cells)
            yield f"{head} | {name} | {epoch} | {text} | {(cells - best).max():+.1f} |"
        yield f"{head} | {row['hit']} of {row['scored']} wrong labels in the first tenth | | | | | | |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=WORDS)
    parser.add_argument("--positives", nargs="+", type=int, default=[0], help="how many; 0: all")
    parser.add_argument("--wrong", choices=("positives", "every"), default="positives")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1, help="of each training; 0: all cores")
    arguments = parser.parse_args()
    results = arguments.folder.resolve() / "best_epoch.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    known = {(row["word"], row["positives"], row["every"], row["seed"]) for row in rows}
    every = arguments.wrong == "every"
    for seed in arguments.seeds:
        for word, positives in ((w, n) for w in arguments.words for n in arguments.positives):
            if (word, positives, every, seed) not in known:
                rows.append(measured(results.parent, word, positives, every, seed, arguments.threads))
                with open(results, "a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
