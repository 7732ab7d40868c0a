"""Exported models in a real browser: onnxruntime-web from npm, fetched once and verified, and a server of static files.

    python -m tests.web_page        # fetches it

It is kept in the user's cache, as a folder of packages.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
from playwright.sync_api import Page

from trainer.detector.targets import RUNTIME_FILES
from trainer.system.workspace import PROJECT_ROOT

LOCK = PROJECT_ROOT / "tests" / "onnxruntime-web.lock"
PACKAGE, DIGEST = LOCK.read_text().splitlines()[-1].split()
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wakeword-studio-tests"
FETCH_SECONDS = 120
SCORES = """
async ([text, piece]) => {
  const ort = await import("./ort.wasm.bundle.min.mjs");
  const { Detector } = await import("./wakeword.js");
  const detector = await Detector.load(ort);
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const wave = Float32Array.from(new Int16Array(bytes.buffer), (value) => value / 32768);
  const found = { scores: [], detections: [] };
  const start = performance.now();
  for (let first = 0; first < wave.length; first += piece) {
    const { scores, detections } = await detector.push(wave.slice(first, first + piece));
    found.scores.push(...scores);
    found.detections.push(...detections);
  }
  found.seconds = (performance.now() - start) / 1000;
  return found;
}
"""
"""Scores samples with the script of a page."""


def runtime() -> Path:
    """The package of the lock file. Raises OSError or ValueError when it cannot be fetched or is another."""
    name = f"{PACKAGE.replace('@', '-')}.tgz"
    if not (CACHE / name).is_file():
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError(f"npm is not installed, so {PACKAGE} cannot be fetched")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            words = [npm, "pack", PACKAGE, f"--pack-destination={folder}", "--ignore-scripts", "--fetch-retries=1"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=FETCH_SECONDS, cwd=folder)
            if done.returncode:
                raise OSError(f"{PACKAGE} could not be fetched: {done.stderr.strip()[-300:]}")
            os.replace(Path(folder) / name, CACHE / name)
    if hashlib.sha256((CACHE / name).read_bytes()).hexdigest() != DIGEST:
        raise ValueError(f"{CACHE / name} is not the file of {LOCK.name}. Delete it and fetch it again.")
    return CACHE / name


def add_runtime(folder: Path) -> None:
    """Put what a page loads of onnxruntime-web into its folder, as the steps say."""
    with tarfile.open(runtime()) as archive:
        for name in RUNTIME_FILES:
            source = archive.extractfile(f"package/dist/{name}")
            (folder / name).write_bytes(source.read())


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of these files, as `python -m http.server` is one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Heard(NamedTuple):
    """Scores [n] and detections of a recording, and the seconds that they took."""

    scores: np.ndarray
    detections: list[dict[str, float]]
    seconds: float


def heard(page: Page, samples: np.ndarray, piece: int) -> Heard:
    """What the script in the folder of a page hears in int16 samples, given so many at a time."""
    found = page.evaluate(SCORES, [base64.b64encode(samples.tobytes()).decode(), piece])
    return Heard(np.array(found["scores"]), found["detections"], found["seconds"])


if __name__ == "__main__":
    print(runtime())
