"""A window that is too short for the phrase is told before the start, with the value that fits."""

import json

import numpy as np
import pytest

from tests.cli.test_command_line import call
from tests.tiny import ignore, write_wav
from trainer.config import config_file, saved_configs
from trainer.config.schema import Config
from trainer.dataset import window_fit
from trainer.dataset.scan import scan
from trainer.run import preflight
from trainer.system.workspace import Workspace


def config_of(window: float, kind: str = "log_mel", **more: object) -> Config:
    return config_file.build({"data": {"window_seconds": window}, "features": {"kind": kind}} | more)


def long_phrases(root, seconds: float = 2.8, count: int = 20) -> Workspace:
    """A scanned workspace of positives with so much sound, in as many files of 6 s."""
    workspace, rng = Workspace(root), np.random.default_rng(0)
    for number in range(count):
        wave = 1e-4 * rng.standard_normal(96_000)
        size = round(16_000 * seconds)
        wave[16_000 : 16_000 + size] += 0.3 * np.sin(np.arange(size) / rng.uniform(6, 12))
        write_wav(workspace.raw / "positive" / f"{number}.wav", wave)
    scan(workspace, ignore)
    return workspace


def test_positives_longer_than_the_window_are_counted_by_their_speech(tmp_path):
    """The files are 6 s long, the speech in them is 2.8 s."""
    speech = window_fit.speech_seconds(long_phrases(tmp_path))
    assert speech == pytest.approx([2.8] * 20, abs=0.05)
    problem = window_fit.problem(config_of(1.5), speech)
    assert problem.option == "data.window_seconds" and problem.message.startswith(
        "20 of 20 positives contain more speech than fits into the window of 1.5 s (up to 2.8 s)"
    )
    assert problem.message.endswith(" Set data.window_seconds to 3.3.")
    assert window_fit.problem(config_of(3.3), speech) is None
    assert window_fit.problem(config_of(2.0), [1.0] * 99 + [3.0]) is None, "one odd clip"
    assert window_fit.problem(config_of(2.0), [1.0] * 9 + [3.0]).message.startswith("1 of 10 positives")


def test_what_no_option_mends_says_what_to_do():
    dense = config_file.preset("recommended")
    text = window_fit.problem(dense, [2.8] * 5).message
    assert text.endswith("uses a window of 2 s: set features.kind to log_mel and data.window_seconds to 3.3.")
    text = window_fit.problem(config_of(5.0), [6.0] * 5).message
    assert text.endswith(
        "No window is long enough (5 s is the maximum): trim the clips to the phrase, or choose a shorter phrase."
    )
    assert window_fit.problem(config_of(1.5), []) is None


def test_the_value_that_is_named_is_allowed_and_fits():
    for seconds in (1.6, 2.8, 3.9, 4.0):
        text = window_fit.problem(config_of(1.5), [seconds] * 10).message
        value = float(text.rsplit(" ", 1)[1].rstrip("."))
        assert window_fit.problem(config_of(value), [seconds] * 10) is None


def test_it_is_told_by_validate_and_before_a_start(tmp_path):
    workspace = long_phrases(tmp_path, count=5)
    saved_configs.save(workspace, "short", config_of(1.5))
    done = call(workspace, "validate", "short", "--json")
    assert done.returncode == 0, done.stderr
    (warning,) = [each for each in json.loads(done.stdout)["warnings"] if "window" in each]
    assert warning.startswith("data.window_seconds: 5 of 5 positives")
    assert warning in preflight.warnings(workspace, config_of(1.5)) and not preflight.warnings(
        workspace, config_of(4.0)
    )
