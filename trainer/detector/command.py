"""The command `wakeword-detect` of the wheel: listens with an exported model, on a machine without this application."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trainer.detector import detector, listening, microphone

PIPE = "wakeword-detect MODEL -"


def _complain(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("wakeword-detect", description="Listen for a wake word with an exported model.")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model folder or its .onnx file")
    parser.add_argument(
        "audio", nargs="?", choices=["-"], metavar="-", help="raw samples (16 bits, 16 kHz, mono) on standard input"
    )
    parser.add_argument("--device", default="", help="index of a sound device or a part of its name, arecord or parec")
    parser.add_argument("--threshold", type=float, help="by default that of the model")
    parser.add_argument("--run", metavar="PROGRAM", default="", help="run this program at each detection")
    parser.add_argument("--scores", action="store_true", help="also print the score of every hop")
    parser.add_argument("--json", action="store_true", help="print a JSON document a line")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each detection until the audio ends or Ctrl-C; returns the exit code."""
    chosen = _options().parse_args(arguments)
    try:
        words = shlex.split(chosen.run)
        if words and not shutil.which(words[0]):
            raise ValueError(f"The program {words[0]!r} was not found. Enter the path of an executable.")
        loaded = detector.load(chosen.model, threads=1)
        threshold = loaded.file.threshold if chosen.threshold is None else chosen.threshold
        if not 0 <= threshold <= 1:
            raise ValueError(f"The threshold {threshold:g} is not from 0 to 1.")
        pieces = microphone.of_standard_input(PIPE) if chosen.audio else microphone.of_device(chosen.device, PIPE)
        program = listening.Program(words, loaded.file.label, _complain)
        _complain(f"Listening for {loaded.file.label} at threshold {threshold:.4f}. Press Ctrl-C to stop.")
        with suppress(KeyboardInterrupt):
            heard = program.watched(pieces)
            for line in listening.live(loaded, heard, threshold, chosen.scores, chosen.json, program.start):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()  # at once, also into a pipe
            program.finish()
    except (OSError, ValueError) as error:
        _complain(f"Error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
