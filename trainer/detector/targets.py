"""Where a model can run: for each place the files that it loads, with its own threshold, and the steps there.

The command line, the page and the documentation take what they say from here.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer.detector import detector_file
from trainer.detector.detector_file import (
    INT8_MODEL,
    MODEL,
    OPENWAKEWORD_MODEL,
    OPENWAKEWORD_TFLITE,
    PROBABILITY,
    WAVEFORM,
    DetectorFile,
)
from trainer.system import regular_file

MOST_BYTES = 64 << 20
"""Longer files are no exported model."""
LONGEST_STEM = 60
UNNAMED = "Wake word"
"""The word of a run without a name."""
TFLITE_MARK = b"TFL3"
"""The identifier in bytes 4 to 8 of a TensorFlow Lite file."""
BROWSER = Path(__file__).parent / "browser"
BROWSER_FILES = ("index.html", "wakeword.js", "samples.js")
RUNTIME_VERSION = "1.30.0"
"""Of the npm package onnxruntime-web, with which the page is tested."""
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""What the page loads of it."""
LISTENING = """\
import sys
from pathlib import Path

import numpy as np

from trainer.detector import detector

model = detector.load(Path(sys.argv[1]))
blocks = iter(lambda: sys.stdin.buffer.read(2 * 1280), b"")
for detection in detector.listen(model, (np.frombuffer(block, np.int16) for block in blocks)):
    print(f"{detection.time:.1f} s: {detection.score:.3f}", flush=True)
"""
"""listen.py: detects the word in live 16-bit audio at 16 kHz."""


@dataclass(frozen=True)
class Exported:
    """A model folder, its detector.json as one place hears it (`detector_file.of_model`), and the word that people
    say."""

    folder: Path
    file: DetectorFile
    word: str

    @property
    def stem(self) -> str:
        """The word as the name of a file: small letters, digits and underscores."""
        plain = unicodedata.normalize("NFKD", self.word).encode("ascii", "ignore").decode().lower()
        return re.sub(r"[^a-z0-9]+", "_", plain)[:LONGEST_STEM].strip("_") or UNNAMED.lower().replace(" ", "_")

    @property
    def title(self) -> str:
        """The name that Home Assistant makes of the file's."""
        return " ".join(part.capitalize() for part in self.stem.split("_"))

    @property
    def threshold(self) -> float:
        """The threshold as a person sets it: rounded up to 4 digits, or 6 close to 1."""
        rounded = (math.ceil(10**digits * self.file.threshold) / 10**digits for digits in (4, 6))
        return next((each for each in rounded if each < 1), self.file.threshold)

    def read(self, name: str) -> bytes:
        """A file of the model. Raises ValueError when it is damaged or another, OSError."""
        data = regular_file.read_bytes(self.folder / name, MOST_BYTES)
        if hashlib.sha256(data).hexdigest() != self.file.files.get(name):
            raise ValueError(f"{self.folder / name} is damaged or of another model. Export the model again.")
        if name.endswith(".tflite") and data[4:8] != TFLITE_MARK:
            raise ValueError(f"{self.folder / name} is not a TensorFlow Lite file. Export the model again.")
        return data


@dataclass(frozen=True)
class Target:
    """One place: what it needs, the file of the model folder that it loads, and what it gets."""

    name: str
    title: str
    needs: str
    model: str
    files: Callable[[Exported], Mapping[str, bytes]]
    steps: Callable[[Exported], tuple[str, ...]]
    """Markdown, a step each; it holds no text of users."""
    is_detector: bool = False
    """Whether the detector of this application listens there, so that its processor time is known."""


@dataclass(frozen=True)
class Package:
    """What one place gets: the word as the name of a file, the files by name, the threshold that is in them or to set
    there, and the steps."""

    stem: str
    files: Mapping[str, bytes]
    threshold: float
    steps: tuple[str, ...]


def package(target: Target, folder: Path, file: DetectorFile, word: str) -> Package:
    """What a place needs of a model. Raises ValueError with what to do when the model cannot run there, OSError."""
    if refusal := _refusal(target, file):
        raise ValueError(refusal)
    exported = Exported(folder, detector_file.of_model(file, target.model), word or UNNAMED)
    threshold = file.threshold if target.model == MODEL else exported.threshold  # the first is in the files
    return Package(exported.stem, target.files(exported), threshold, target.steps(exported))


def _refusal(target: Target, file: DetectorFile) -> str:
    """Why a model cannot run at a place, and what to do instead; empty when it can."""
    if target.model == MODEL:
        return ""
    if len(file.labels) > 1:
        words = ", ".join(file.labels)
        return (
            f"{target.title} takes one word per file, and this model has {len(file.labels)} ({words}). Train a run for "
            "each word."
        )
    if OPENWAKEWORD_MODEL not in file.files:
        return (
            f"{target.title} computes the speech embedding, which this model ({file.model}) does not use. Train with "
            "the preset recommended, or with features.kind: speech_embedding, instead."
        )
    is_chosen = file.unsmoothed is not None or file.threshold_from.source == "default"
    if target.model not in file.files or not is_chosen:
        missing = target.model if target.model not in file.files else f"a threshold for {target.title}"
        return (
            f"This model was exported by an earlier version, without {missing}. Export it again, which needs the clips "
            "of its data set."
        )
    return ""


def _files_of_detector(exported: Exported) -> Mapping[str, bytes]:
    names = [name for name in (MODEL, INT8_MODEL) if name in exported.file.files]
    document = regular_file.read_bytes(detector_file.path_in(exported.folder))
    return {name: exported.read(name) for name in names} | {detector_file.NAME: document}


def _onnx_steps(exported: Exported) -> tuple[str, ...]:
    file = exported.file
    samples = round(file.window_seconds * file.sample_rate)
    return (
        f"Load `{MODEL}` with any ONNX runtime. Its input `{WAVEFORM}` is float32 [n, {samples}] in -1..1 at "
        f"{file.sample_rate / 1000:g} kHz, its output `{PROBABILITY}` float32 [n].",
        f"Score the last {file.window_seconds:g} s every {file.hop_ms:g} ms, and average the scores of "
        f"{file.smoothing_seconds:g} s.",
        f"The word was said when that reaches {exported.threshold}. Then do not fire for "
        f"{file.refractory_seconds:g} s. `{detector_file.NAME}` holds these settings.",
    )


def _python_files(exported: Exported) -> Mapping[str, bytes]:
    return {**_files_of_detector(exported), "listen.py": LISTENING.encode()}


def _python_steps(exported: Exported) -> tuple[str, ...]:
    return (
        "In the folder of Wakeword Studio, `make detector-wheel` writes the detector alone to `dist/`. Copy that "
        "`.whl` file and this folder to the machine.",
        "Install it there: `pip install wakeword_detector-*.whl`. For a microphone other than that of `arecord` or "
        "`parec`, also `pip install sounddevice`.",
        "Listen, in this folder: `wakeword-detect . --run PROGRAM`. It starts the program at each detection.",
        "In a program of your own, listen as `listen.py` does, with `from wakeword_detector.detector import detector`.",
    )


def _browser_files(exported: Exported) -> Mapping[str, bytes]:
    """The page with its script, and the model in the two parts that a stream needs."""
    from onnx import load_from_string  # takes a fifth of a second, which few commands need

    from trainer.detector import onnx_file

    front, head = onnx_file.parts(load_from_string(exported.read(MODEL)))
    document = regular_file.read_bytes(detector_file.path_in(exported.folder))
    page = {name: (BROWSER / name).read_bytes() for name in BROWSER_FILES}
    return page | {"front.onnx": front, "head.onnx": head, detector_file.NAME: document}


def _browser_steps(exported: Exported) -> tuple[str, ...]:
    package, (script, binary) = f"onnxruntime-web-{RUNTIME_VERSION}.tgz", RUNTIME_FILES
    return (
        f"Once, fetch the runtime into this folder: `npm pack onnxruntime-web@{RUNTIME_VERSION}`, then `tar -xzf "
        f"{package} --strip-components 2 package/dist/{script} package/dist/{binary}`. The page loads nothing from "
        "other servers.",
        "Try it on this machine: `python3 -m http.server --bind 127.0.0.1 8000` in this folder, then open "
        "`http://localhost:8000`, click *Start listening* and say the word.",
        "Put the folder on any web server, under any path. Except on localhost, browsers give the microphone only to "
        "pages with https.",
        "In a page of your own, `wakeword.js` is what you need: its first lines show how to listen with it. The "
        f"threshold is in `{detector_file.NAME}`.",
    )


def _openwakeword_files(exported: Exported) -> Mapping[str, bytes]:
    """The head in both forms: on some boards openWakeWord runs TensorFlow Lite only."""
    heads = (OPENWAKEWORD_MODEL, OPENWAKEWORD_TFLITE)  # earlier versions exported the first alone
    return {exported.stem + Path(name).suffix: exported.read(name) for name in heads if name in exported.file.files}


def _openwakeword_steps(exported: Exported) -> tuple[str, ...]:
    stem = exported.stem
    return (
        "Install it where your program runs: `pip install openwakeword`. It wants Python 3.11 or earlier on Linux.",
        "Once, fetch the speech embedding, which the package does not hold: `python -c 'from openwakeword.utils import "
        "download_models; download_models()'`.",
        f'Load the file: `Model(wakeword_models=["{stem}.onnx"], inference_framework="onnx")`.',
        f'Pass it 80 ms (1,280 samples) at a time. The word was said when `predict(samples)["{stem}"]` is above '
        f"{exported.threshold}.",
    )


def _home_assistant_files(exported: Exported) -> Mapping[str, bytes]:
    """The head, and the JSON beside it that linux-voice-assistant reads."""
    model = f"{exported.stem}.tflite"
    document = {
        "type": "openWakeWord",
        "wake_word": exported.word,
        "model": model,
        "trained_languages": [],
        "openWakeWord": {"probability_cutoff": exported.threshold},
    }
    beside = json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
    return {model: exported.read(OPENWAKEWORD_TFLITE), f"{exported.stem}.json": beside}


def _home_assistant_steps(exported: Exported) -> tuple[str, ...]:
    stem = exported.stem
    return (
        f"Copy `{stem}.tflite` to `/share/openwakeword` of Home Assistant, for example with the add-on Samba share. "
        "Create the folder if there is none.",
        f"In *Settings, Add-ons* (*Apps* in newer versions), open *openWakeWord, Configuration*. Set the threshold to "
        f"{exported.threshold}, which holds for all words of the add-on, and the trigger level to 1. Then restart "
        "the add-on: it looks for files only when it starts.",
        "In *Settings, Voice assistants*, open your assistant, click *Add streaming wake word* in the menu with three "
        f"dots, and choose *openwakeword* and *{exported.title}*.",
        f"For linux-voice-assistant, put both files into a folder and start it with `--wake-word-dir FOLDER "
        f"--wake-model {stem}`. It reads the threshold from `{stem}.json`.",
    )


def _wyoming_steps(exported: Exported) -> tuple[str, ...]:
    return (
        "On the machine with Wakeword Studio, put this folder where you want to keep it and start `python -m trainer "
        "wyoming FOLDER --uri tcp://0.0.0.0:10400`. The threshold is in the files.",
        "In Home Assistant, *Settings, Devices & services, Add integration, Wyoming Protocol*, enter the address of "
        "that machine and the port 10400.",
        "In *Settings, Voice assistants*, open your assistant, click *Add streaming wake word* in the menu with three "
        "dots, and choose *wakeword-studio* and your word.",
    )


_EVERY = (
    Target(
        "home-assistant",
        "Home Assistant",
        "The add-on openWakeWord, version 2 or later, or linux-voice-assistant.",
        OPENWAKEWORD_TFLITE,
        _home_assistant_files,
        _home_assistant_steps,
    ),
    Target(
        "wyoming",
        "Wyoming",
        "A machine with Wakeword Studio as wake word server of Home Assistant. Takes any model, heard as by detect.",
        MODEL,
        _files_of_detector,
        _wyoming_steps,
        is_detector=True,
    ),
    Target(
        "openwakeword",
        "openWakeWord",
        "A Python program with the package openwakeword.",
        OPENWAKEWORD_MODEL,
        _openwakeword_files,
        _openwakeword_steps,
    ),
    Target(
        "python",
        "Python",
        "Python 3.11 or later on Linux, macOS or a Raspberry Pi. No torch.",
        MODEL,
        _python_files,
        _python_steps,
        is_detector=True,
    ),
    Target(
        "browser",
        "Browser",
        "A web page on https or on localhost, and the npm package onnxruntime-web (14 MB).",
        MODEL,
        _browser_files,
        _browser_steps,
    ),
    Target(
        "onnx",
        "ONNX",
        "Any program with an ONNX runtime.",
        MODEL,
        _files_of_detector,
        _onnx_steps,
    ),
)
TARGETS: Mapping[str, Target] = {each.name: each for each in _EVERY}
"""By the name that `export --for` takes."""
