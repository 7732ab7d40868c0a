"""An evaluation of real recordings compared with wakebench on the same model and streams, and its speed.

python -m benchmarks.evaluation [--preset recommended] [--epochs 6] [--hours 3] [--keep FOLDER] [--speed-only]

Needs ../shared. With --keep the data, the run and the streams are kept in FOLDER and reused. wakebench computes every
window as a whole, which takes long on the speech embedding; --speed-only omits it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.evaluation.test_evaluation_agrees import SHARED, build, neutral_counts, neutral_tracks, our_counts
from tests.tiny import ignore
from trainer.config import config_file, saved_configs
from trainer.evaluation import assessment, budget, evaluations
from trainer.evaluation.assessment import Request
from trainer.run import runs
from trainer.run.runs import Run
from trainer.streams import composition, recordings
from trainer.system.workspace import PROJECT_ROOT, Workspace


def call(workspace: Workspace, *arguments: str) -> None:
    command = [sys.executable, "-m", "trainer", *arguments, "--root", str(workspace.root)]
    subprocess.run(command, cwd=PROJECT_ROOT, check=True)


def trained(workspace: Workspace, preset: str, epochs: int) -> Run:
    """The newest run in the workspace; without one, lays out the data and trains one."""
    if not runs.all_runs(workspace):
        subprocess.run([sys.executable, SHARED / "data/lay_out.py", "jarvis", workspace.root], check=True)
        call(workspace, "scan")
        call(workspace, "split")
        config = config_file.load(config_file.find(workspace, preset))
        short = config.training.model_copy(update={"epochs": epochs})
        saved_configs.save(workspace, "short", config.model_copy(update={"training": short}))
        call(workspace, "train", "short", "--wait")
    return runs.all_runs(workspace)[0]


def compare(workspace: Workspace, run: Run, folder: Path) -> None:
    """Print the counts of both at the thresholds that wakebench chooses, slightly above the peaks that decide them."""
    from wakebench import score

    evaluation = assessment.evaluate(workspace, run, Request(None, [folder]), ignore)
    streams = evaluations.read_streams(evaluations.folder_of(run, evaluation.id), evaluation)
    tracks, truth = neutral_tracks(run, folder), json.loads((folder / "truth.json").read_text())
    raw = {each.recording.name.rpartition("/")[2]: each.probability for each in streams}
    smooth = {name: score.smooth(*track, evaluation.smoothing_seconds) for name, track in tracks.items()}
    largest = max(float(np.abs(smooth[name] - raw[name]).max()) for name in smooth)
    print(f"smoothed scores differ by {largest:.1e} at most")
    neutral = score.evaluate(tracks, truth, evaluation.smoothing_seconds, evaluation.refractory_seconds)
    for point in neutral["points"]:
        if point["scope"] != "all":
            continue
        threshold = point["threshold"] + 1e-5
        ours, theirs = our_counts(streams, threshold), neutral_counts(tracks, folder, threshold)
        differing = {name for name in ours if ours[name] != theirs[name]}
        here, there = (np.sum(list(counts.values()), axis=0).tolist() for counts in (ours, theirs))
        print(
            f"at most {point['target_fa_per_hour']:g}/h, threshold {threshold:.5f}: misses and false accepts {here}, "
            f"wakebench {there}; streams that differ: {', '.join(sorted(differing)) or 'none'} of {len(ours)}"
        )


def measure_speed(workspace: Workspace, run: Run, preset: str, hours: float, folder: Path) -> None:
    """Print the speed on this many hours: the composed streams, repeated."""
    composed = composition.compose_test_split(workspace, composition.Options(), ignore)
    files, seconds = [composed.path_of(each) for each in composed.recordings], 0.0
    while seconds < 3600 * hours:
        for source, recording in zip(files, composed.recordings, strict=True):
            if seconds < 3600 * hours:
                (folder / f"{seconds:08.0f}{source.suffix}").hardlink_to(source)
                seconds += recording.seconds
    start, spent = time.monotonic(), time.process_time()
    evaluation = assessment.evaluate(workspace, run, Request(None, [folder]), ignore)
    took, spent = time.monotonic() - start, time.process_time() - spent
    audio = evaluation.audio_seconds
    print("| preset | hours | seconds | x real time | seconds of CPU | x real time on one core |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(f"| {preset} | {audio / 3600:.2f} | {took:.0f} | {audio / took:.0f} | {spent:.0f} | {audio / spent:.0f} |")


def measure(folder: Path, arguments: argparse.Namespace) -> None:
    workspace = Workspace(folder)
    run = trained(workspace, arguments.preset, arguments.epochs)
    if not arguments.speed_only:
        request = Request(composition.Options(), recordings.default(workspace))
        evaluation = assessment.evaluate(workspace, run, request, ignore)
        scored = evaluations.folder_of(run, evaluation.id)
        print(budget.report_text(scored, evaluation, 0.5, budget.cost_of(scored, evaluation, 0.5), None))
        if not (folder / "neutral/streams/truth.json").exists():
            build(workspace, folder / "neutral", sorted((workspace.root / recordings.DEFAULT).rglob("*.ogg")))
        compare(workspace, run, folder / "neutral/streams")
    with tempfile.TemporaryDirectory(dir=folder) as hours:
        measure_speed(workspace, run, arguments.preset, arguments.hours, Path(hours))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="recommended")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--speed-only", action="store_true")
    arguments = parser.parse_args()
    sys.path.append(str(SHARED))
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measure(folder.resolve(), arguments)


if __name__ == "__main__":
    main()
