"""The page for browsers hears what the detector hears, in a real browser, with onnxruntime-web."""

import json
import os
import subprocess

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect

from tests import tone_model as tones
from tests import web_page
from tests.browser.conftest import hearing, new_page
from tests.detectors import RATE, config_of, sounds, write
from tests.tiny import clip_of
from trainer.detector import detector, detector_file, targets
from trainer.detector.targets import RUNTIME_VERSION, TARGETS
from trainer.system import durable

PIECE = 1000
"""Samples given at a time: neither a hop nor a part of one."""
UNDER = "some/path"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / UNDER).mkdir(parents=True)
    return tmp_path / UNDER


@pytest.fixture(scope="module", autouse=True)
def _runtime() -> None:
    try:
        web_page.runtime()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def export(model, folder) -> detector.Detector:
    """Write the files for browsers; the detector of the same model."""
    loaded = detector.load(model, threads=1)
    package = targets.package(TARGETS["browser"], model, loaded.file, "tones")
    for name, data in package.files.items():
        (folder / name).write_bytes(data)
    return loaded


def opened(page: Page, address: str) -> list[str]:
    """Open the page; the addresses of all that it asks for from then on."""
    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/{UNDER}/")
    return asked


@pytest.mark.parametrize(("name", "kind"), [("gru", "speech_embedding"), ("tc_resnet", "log_mel")])
def test_a_browser_scores_as_the_detector_does(browser, folder, tmp_path, name, kind):
    model = write(tmp_path / "model", config_of(name, kind), threshold=0.6)
    loaded = export(model, folder)
    web_page.add_runtime(folder)
    samples = np.rint(32767 * sounds(12.0)).astype(np.int16)
    with web_page.served(tmp_path) as address:
        page = new_page(browser)
        asked = opened(page, address)
        expect(page.get_by_role("status")).to_have_text("Ready.")
        theirs, found, _ = web_page.heard(page, samples, PIECE)
        page.context.close()
    own = loaded.stream().push(samples)
    assert len(theirs) == len(own) and np.ptp(own) > 0.5
    difference, first = np.abs(theirs - own), round(loaded.file.window_seconds / loaded.file.hop_seconds)
    assert difference[first:].max() < detector_file.LARGEST_DIFFERENCE
    assert difference.max() < 1e-3, "in windows with the silence before a stream, rounding in the logarithm counts more"
    expected = loaded.detections(own)
    assert [each["time"] for each in found] == pytest.approx([each.time for each in expected]) and len(expected) > 1
    assert [each["score"] for each in found] == pytest.approx([each.score for each in expected], abs=1e-3)
    assert all(url.startswith(address) for url in asked), "nothing comes from another server"


def test_the_page_hears_the_word_in_the_microphone_and_stops(playwright, folder, tmp_path):
    export(tones.write(tmp_path / "model"), folder)
    web_page.add_runtime(folder)
    word = clip_of(np.random.default_rng(0), 600.0)
    soundfile.write(tmp_path / "said.wav", np.concatenate([np.zeros(RATE), word, np.zeros(RATE)]), RATE)
    with web_page.served(tmp_path) as address, hearing(playwright, tmp_path / "said.wav") as page:
        opened(page, address)
        page.get_by_role("button", name="Start listening").click()
        expect(page.get_by_role("listitem").nth(1)).to_be_visible()
        page.get_by_role("button", name="Stop listening").click()
        expect(page.get_by_role("status")).to_have_text("Stopped.")
        lines = page.get_by_role("listitem").all_inner_texts()[:2]
    first, second = (float(line.partition(" s: ")[0]) for line in lines)
    length = 2 + len(word) / RATE
    assert second - first == pytest.approx(length, abs=0.25), "the recording is played again and again"


def test_the_page_says_what_is_missing(browser, tone_model, folder, tmp_path):
    export(tone_model, folder)
    with web_page.served(tmp_path) as address:
        page = new_page(browser)
        opened(page, address)
        expect(page.get_by_role("alert")).to_contain_text("onnxruntime-web is missing")
        web_page.add_runtime(folder)
        (folder / "head.onnx").unlink()
        page.reload()
        expect(page.get_by_role("alert")).to_have_text("head.onnx was not found beside this page (404).")
        expect(page.get_by_role("button")).to_be_disabled()
        page.context.close()


def test_the_settings_are_those_of_the_model_and_the_steps_name_the_tested_runtime(tone_model, folder):
    export(tone_model, folder)
    document = durable.read_document(detector_file.DetectorFile, tone_model / detector_file.NAME)
    assert json.loads((folder / detector_file.NAME).read_text()) == json.loads(document.model_dump_json())
    assert f"onnxruntime-web@{RUNTIME_VERSION}" == web_page.PACKAGE
