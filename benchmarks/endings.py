"""Detections in recordings that end with the word, with and without the silence that `detect` appends.

python -m benchmarks.endings WORKSPACE MODEL

The positives of the validation and test splits, cut a short time after the word.
"""

import argparse
from pathlib import Path

import numpy as np

from trainer.audio import manifest
from trainer.detector import detector
from trainer.engine.data import clips
from trainer.system.workspace import Workspace

AFTER_SECONDS = (0.0, 0.05, 0.1, 0.2, 0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("model", type=Path)
    arguments = parser.parse_args()
    workspace, loaded = Workspace(arguments.workspace), detector.load(arguments.model)
    splits = manifest.read_splits(workspace)
    words = [clip for part in ("val", "test") for clip in splits[part] if clip.label == "positive"]
    array = clips.prepare(workspace, words, lambda *_: None)
    print("| seconds after the word | words | detected | detected with silence |\n| --- | --- | --- | --- |")
    for seconds in AFTER_SECONDS:
        counts = np.zeros(2, int)
        for index in range(len(array.starts)):
            first = array.starts[index]
            end = min(array.words[index, 1] + round(16000 * seconds), array.lengths[index])
            wave = array.samples[first : first + end]
            for column, hops in enumerate((0, loaded.hops_after)):
                scores = loaded.stream().push(np.pad(wave, (0, hops * loaded.hop_samples)))
                counts[column] += bool(loaded.detections(scores))
        print(f"| {seconds} | {len(array.starts)} | {counts[0]} | {counts[1]} |", flush=True)


if __name__ == "__main__":
    main()
