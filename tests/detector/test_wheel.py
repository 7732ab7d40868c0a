"""The wheel of the detector alone hears what the detector hears, where nothing else of this project is."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from tests.detector.test_detector import BLOCKER
from tests.detectors import sounds
from trainer.detector import detector, wheel

STRANGER = (
    BLOCKER.replace('"fcntl"', '"trainer", "click", "fcntl"')
    + """
import os, signal
for module, names in ((os, "O_NONBLOCK O_CLOEXEC O_NOFOLLOW sched_getaffinity geteuid"), (signal, "SIGPROF setitimer")):
    for name in names.split():
        delattr(module, name)
"""
)
"""Without this project, and without what Windows lacks."""


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> list[str]:
    """`wakeword-detect` in an environment of its own, which finds numpy and onnxruntime in that of the tests."""
    folder = tmp_path_factory.mktemp("device")
    built = wheel.build(folder)
    venv.create(folder / "env", with_pip=False)
    python = str(folder / "env" / "bin" / "python")
    words = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python]
    subprocess.run([*words, str(built)], check=True)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    (packages / "sitecustomize.py").write_text(STRANGER)
    return [str(folder / "env" / "bin" / "wakeword-detect")]


def heard(command: list[str], *words: str | Path, sound: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*command, *map(str, words)], input=sound, capture_output=True, cwd="/", env=environment)


def test_the_wheel_scores_as_the_detector_does_and_starts_the_program(command, tone_model, tmp_path):
    samples = np.rint(32767 * sounds(8.0)).astype(np.int16)
    (tmp_path / "told.sh").write_text(f'#!/bin/sh\necho "$WAKEWORD_LABEL" >> {tmp_path}/told\n')
    (tmp_path / "told.sh").chmod(0o755)
    run = ("--run", tmp_path / "told.sh")
    done = heard(command, tone_model, "-", "--json", "--scores", *run, sound=samples.tobytes())
    assert done.returncode == 0, done.stderr.decode()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    loaded = detector.load(tone_model, threads=1)
    own = loaded.stream().push(samples)
    theirs = [line["score"] for line in lines if "detected" not in line][: len(own)]
    assert np.abs(np.array(theirs) - own).max() < 1e-6
    expected = [round(each.time, 3) for each in loaded.detections(own)]
    assert [line["time"] for line in lines if "detected" in line][: len(expected)] == expected and expected
    assert (tmp_path / "told").read_text().splitlines()[0] == loaded.file.label


def test_what_is_wrong_is_one_sentence(command, tone_model, tmp_path):
    for words, said in (
        ([tmp_path / "nothing", "-"], "does not exist"),
        ([tone_model, "-", "--run", "no-such-program"], "'no-such-program' was not found"),
        ([tone_model, "-", "--threshold", "2"], "not from 0 to 1"),
    ):
        done = heard(command, *words)
        assert done.returncode == 2 and said in done.stderr.decode() and done.stderr.count(b"\n") == 1
