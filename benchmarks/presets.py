"""Every preset trained on real recordings: `python -m benchmarks.presets [PRESET...]` prints the table.

Lays out ../shared/data for `jarvis` in a temporary folder, scans, splits and trains as a user would. The preset for
small data sets gets 99 recordings of the word; those that start from an earlier run follow `recommended`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from trainer.config import config_file
from trainer.estimates import requirements
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system.workspace import PROJECT_ROOT, Workspace

RECORDINGS = PROJECT_ROOT.parent / "shared" / "data"
WORD = "jarvis"
FEW = 99
FOLLOWING = ("hard_negatives", "fine_tune")


def lay_out(root: Path, most_positives: int | None = None) -> Workspace:
    """A workspace with the recordings, scanned and split."""
    subprocess.run([sys.executable, str(RECORDINGS / "lay_out.py"), WORD, str(root)], check=True, stdout=sys.stderr)
    workspace = Workspace(root)
    positives = sorted(path for path in (workspace.raw / "positive").rglob("*") if path.is_file())
    for path in positives[most_positives:] if most_positives else []:
        path.unlink()
    for verb in ("scan", "split"):
        call(workspace, verb)
    return workspace


def call(workspace: Workspace, *arguments: str) -> dict:
    command = [sys.executable, "-m", "trainer", "--root", str(workspace.root), "--json", *arguments]
    done = subprocess.run(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def row(workspace: Workspace, name: str) -> str:
    """Train one preset; returns the table row of its best epoch."""
    status = call(workspace, "train", name, "--wait")
    tail = metrics.Tail()
    metrics.read_more(tail, Run(Path(status["folder"])).metrics_file)
    best = next(epoch for epoch in tail.epochs if epoch["epoch"] == status["best"]["epoch"])
    needs = requirements.estimate(config_file.preset(name))
    rates = " | ".join(f"{100 * best[rate]:.2f} %" for rate in ("fpr", "fnr"))
    return (
        f"| {name} | {status['elapsed_seconds'] / 60:.1f} | {status['epoch']} | {needs.parameters:,} "
        f"| {needs.multiply_adds / 1e6:.2f} M | {rates} | {best['f1']:.3f} |"
    )


def main(names: list[str]) -> None:
    chosen = names or config_file.presets()
    first = ["recommended"] if set(chosen) & {"recommended", *FOLLOWING} else []
    following = [name for name in FOLLOWING if name in chosen]
    others = [name for name in chosen if name not in (*first, *following, "small_data")]
    with tempfile.TemporaryDirectory() as folder:
        workspace = lay_out(Path(folder) / "all")
        print("| preset | minutes | epochs | parameters | multiply-adds | FPR | FNR | F1 |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name in [*first, *following, *others]:
            print(row(workspace, name), flush=True)
        if "small_data" in chosen:
            print(row(lay_out(Path(folder) / "few", FEW), "small_data"), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
