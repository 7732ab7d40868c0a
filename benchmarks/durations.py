"""Estimates of how long a training takes, beside what a probe measures: python -m benchmarks.durations ROOT

Each preset on the split of a workspace: reference seconds, seconds at the pace of the newest training there (if any).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.tiny import ignore
from trainer.audio import manifest
from trainer.config import config_file, saved_configs
from trainer.estimates import duration
from trainer.run import pace, probe
from trainer.system.workspace import Workspace

FROM_EARLIER = ("fine_tune", "hard_negatives")
"""Presets that start from an earlier run."""


def main(workspace: Workspace) -> None:
    splits, factor = manifest.read_splits(workspace), pace.read(workspace)
    print("| preset | probe, s | reference, s | at the pace here, s | ratio |\n| --- | --- | --- | --- | --- |")
    for name in config_file.presets():
        config = config_file.preset(name)
        if name in FROM_EARLIER:
            continue
        measured = probe.measure(workspace, saved_configs.save(workspace, "measured", config), ignore)
        reference = duration.seconds(config, splits)
        here = reference * (factor or 1.0)
        print(
            f"| {name} | {measured.total_seconds:.0f} | {reference:.0f} | {here:.0f} | "
            f"{here / measured.total_seconds:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    main(Workspace(parser.parse_args().root.resolve()))
