"""Exported heads in the programs of others, beside our detector on the same real recordings.

python -m benchmarks.clients WORKSPACE [--seconds 300]

WORKSPACE contains scanned and split clips. Every head on the speech embedding is trained as in `benchmarks.detector`;
the validation clips, one after the other, go through our detector and through the programs, each in a process of its
own. The largest difference is from our head on the embeddings that the program computes; other columns compare it with
our whole detector. Detections are counted on unsmoothed scores above 0.5, at least two seconds apart.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx

from benchmarks.detector import configs, feeds, trained
from tests.clients import both, on_the_same_windows
from tests.detectors import RATE, write
from trainer.config.schema import Config
from trainer.detector import detector, stream_scores
from trainer.detector.detector_file import UNSMOOTHED_REFRACTORY_SECONDS
from trainer.detector.targets import TARGETS
from trainer.engine.export import graphs, tflite_heads
from trainer.system.workspace import Workspace

CLIENTS = (
    ("home-assistant", "pyopen", "pyopen-wakeword", "tflite"),
    ("openwakeword", "openwakeword", "openwakeword", "onnx"),
)
COLUMNS = (
    "for", "client", "head", "kB", "scores", "largest difference", "off by over 0.01", "detections", "ours",
)  # fmt: skip
THRESHOLD = 0.5


def rows(config: Config, samples: np.ndarray, workspace: Workspace, folder: Path) -> list[list[str]]:
    """The columns of one head in every client."""
    network = trained(workspace, config).network
    (folder / "word.tflite").write_bytes(tflite_heads.of_network(network))
    onnx.save(graphs.openwakeword_graph(config, network), folder / "word.onnx")
    ours, found = detector.load(write(folder / "model", config, network)), []
    gap = stream_scores.refractory_hops(ours.file.hop_seconds, UNSMOOTHED_REFRACTORY_SECONDS)
    for target, client, package, ending in CLIENTS:
        file = folder / f"word.{ending}"
        theirs, own = both(client, file, ours, samples)
        heard, expected = (
            (theirs, own) if ending == "onnx" else on_the_same_windows(theirs, folder / "word.onnx", samples)
        )
        fired = [len(stream_scores.firing_hops(scores, THRESHOLD, gap)) for scores in (theirs, own)]
        found.append([
            TARGETS[target].title, f"{package} {version(package)}", config.model.name,
            f"{file.stat().st_size / 1e3:.0f}", f"{len(own):,}", f"{np.abs(heard - expected).max():.1e}",
            f"{100 * np.mean(np.abs(theirs - own) > 0.01):.1f} %", *map(str, fired),
        ])  # fmt: skip
    return found


def validation_sound(workspace: Workspace, config: Config, most: int) -> np.ndarray:
    """At most so many int16 samples of validation clips in random order."""
    array = feeds(workspace, config)[1].array
    order = np.random.default_rng(0).permutation(len(array.clips))
    ends = zip(array.starts[order], array.starts[order] + array.lengths[order], strict=True)
    return np.concatenate([array.samples[first:last] for first, last in ends])[:most]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--seconds", type=float, default=300.0)
    arguments = parser.parse_args()
    heads = [config for config in configs() if config.features.kind == "speech_embedding"]
    workspace = Workspace(arguments.workspace)
    samples = validation_sound(workspace, heads[0], round(arguments.seconds * RATE))
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for config in heads:
        with tempfile.TemporaryDirectory() as folder:
            for row in rows(config, samples, workspace, Path(folder)):
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
