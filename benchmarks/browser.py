"""Exported models in a browser, with onnxruntime-web: `python -m benchmarks.browser MODEL...`.

MODEL is a model folder. A minute of tones and noise goes hop by hop through the script of `export --for browser` in
Chromium and through our detector. The first window holds the silence before a stream and is not compared.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from tests import web_page
from tests.browser.conftest import launch, new_page
from tests.detectors import RATE, sounds
from trainer.detector import detector, targets

SECONDS = 60.0


def row(page: Page, model: Path, samples: np.ndarray) -> str:
    """A model's columns of the table."""
    loaded = detector.load(model, threads=1)
    with tempfile.TemporaryDirectory() as text, web_page.served(Path(text)) as address:
        for name, data in targets.package(targets.TARGETS["browser"], model, loaded.file, "").files.items():
            (Path(text) / name).write_bytes(data)
        web_page.add_runtime(Path(text))
        page.goto(address)
        heard = web_page.heard(page, samples, loaded.hop_samples)
    first = round(loaded.file.window_seconds / loaded.file.hop_seconds)
    difference = np.abs(heard.scores - loaded.stream().push(samples))[first:].max()
    return f"| {loaded.file.model} | {difference:.1e} | {SECONDS / heard.seconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    samples = np.rint(32767 * sounds(SECONDS)).astype(np.int16)
    assert len(samples) == SECONDS * RATE
    with sync_playwright() as playwright:
        page = new_page(launch(playwright, []))
        print(f"| model, {web_page.PACKAGE} | largest difference | x real time |\n| --- | --- | --- |")
        for model in parser.parse_args().models:
            print(row(page, model, samples), flush=True)


if __name__ == "__main__":
    main()
