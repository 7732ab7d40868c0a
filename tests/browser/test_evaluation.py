"""The Evaluation page in a real browser: a run is evaluated, its budget moved, its false accepts heard and sent."""

import re
import shutil
import wave as wav

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests import tone_model
from tests.browser import app as server
from tests.browser.conftest import hearing
from tests.browser.widgets import (
    button,
    click,
    metric,
    no_traceback,
    open_tab,
    pick,
    press,
    record,
    settled,
    shows,
    tick,
    type_in,
    wait_for_metric,
)
from tests.corpus_server import READ, corpus_of, declare, read_speech, serving
from tests.run_folders import end, make_run
from tests.tiny import make_workspace
from trainer.audio import audio_file
from trainer.config import config_file
from trainer.dataset import clips
from trainer.dataset.scan import scan
from trainer.detector.detector_file import NAME, DetectorFile
from trainer.run import runs
from trainer.streams import recordings
from trainer.system import durable


@pytest.fixture
def workspace(tmp_path):
    """A finished run that hears tones, and an evening in which some are played that are no word."""
    made = make_workspace(tmp_path / "workspace", hard_negatives=8)
    run = make_run(made, label="Kitchen", epochs=3)
    end(run, "completed", "All done.")
    tone_model.finish(run)
    tone_model.write_evening(made)
    return made


@pytest.fixture
def speaking(playwright, workspace, tmp_path):
    """A page whose microphone plays a clip of the data set, again and again."""
    clip = audio_file.read_16k(workspace.raw / "positive/voice1/1.wav")
    with wav.open(str(tmp_path / "microphone.wav"), "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes((32767 * np.repeat(clip, 3)).astype("<i2").tobytes())
    with hearing(playwright, tmp_path / "microphone.wav") as page:
        yield page


def evaluate_and_move_the_budget(page: Page, workspace) -> None:
    shows(page, "Not evaluated yet.")
    press(page, "Evaluate")
    wait_for_metric(page, "Miss rate at budget", r"[\d.]+ %")
    shows(page, re.compile("At threshold .* words are missed"))
    settled(page)
    strict = float(metric(page, "Threshold at budget"))
    assert metric(page, "False accepts at budget").startswith("below ")
    type_in(page, "spinbutton", "False accepts, at most", "5")
    type_in(page, "spinbutton", "in hours", "0.10")
    wait_for_metric(page, "False accepts at budget", r"[\d.]+/h")
    assert float(metric(page, "Threshold at budget")) < strict
    assert "accepts=5" in page.url and "in_hours=0.1" in page.url, "a reload shows the same"
    press(page, "Use this estimate")
    shows(page, re.compile("The model of epoch .* uses this threshold"))
    file = durable.read_document(DetectorFile, runs.all_runs(workspace)[0].model / NAME)
    assert file.threshold_from.source == "evaluation" and file.threshold == pytest.approx(
        float(metric(page, "Threshold")), abs=1e-4
    )


def hear_a_false_accept_and_send_it(page: Page, workspace) -> None:
    tick(page, page.get_by_role("region", name="False accepts", exact=True), 0)
    expect(button(page, "Send 1 to hard negatives")).to_be_enabled()
    settled(page)
    shows(page, "Log-mel spectrogram")
    player = page.get_by_test_id("stAudio").first
    player.evaluate("player => player.play()")
    page.wait_for_function("document.querySelector('[data-testid=stAudio]').currentTime > 0.3")
    press(page, "Send 1 to hard negatives")
    shows(page, "Sent 1 false accept to the hard negatives")
    (sent,) = (workspace.raw / "hard_negative/false_accepts").glob("*.wav")
    assert audio_file.read(sent)[1].seconds > 1.2
    press(page, "Prepare the configuration")
    shows(page, re.compile("Saved as retrain-"))
    run = runs.all_runs(workspace)[0]
    assert config_file.load(workspace.configs / f"retrain-{run.id}.yaml").training.start_from == run.id


def upload_and_speak(page: Page, workspace) -> None:
    pick(page, "Listen")
    files = [workspace.raw / "positive/voice0/0.wav", workspace.raw / "negative/voice0/0.wav"]
    upload = page.get_by_test_id("stFileUploaderDropzoneInput").first
    named = zip(("word.wav", "other.wav"), files, strict=True)
    upload.set_input_files([{"name": n, "mimeType": "audio/wav", "buffer": file.read_bytes()} for n, file in named])
    shows(page, "1 detection", exact=True)
    shows(page, "No detections: the highest score is")
    record(page, 4000)
    shows(page, "Your recording", exact=True)
    shows(page, re.compile(r"^[2-6] detections$"))
    assert len(list((workspace.raw / "positive").rglob("take-*.wav"))) == 0, "nothing is kept unasked"
    type_in(page, "textbox", "Speaker", "anna")
    press(page, "Save this recording")
    shows(page, "Recorded positive by anna")


def test_a_run_is_evaluated_heard_mended_and_spoken_to(speaking: Page, workspace):
    page = speaking
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Evaluation")
        evaluate_and_move_the_budget(page, workspace)
        hear_a_false_accept_and_send_it(page, workspace)
        pick(page, "Clips")
        expect(page.get_by_test_id("stVegaLiteChart").nth(1).locator("canvas, svg").first).to_be_visible()
        upload_and_speak(page, workspace)
        pick(page, "Model")
        with page.expect_download() as download:
            button(page, "Download the model").click()
        assert download.value.suggested_filename.endswith("-epoch-3.zip")
        no_traceback(page)
    scan(workspace, lambda done, total, doing: None)
    assert sum(clips.load(workspace).clips["path"].str.startswith("hard_negative/false_accepts/")) == 1
    shutil.rmtree(workspace.root / "data" / "cache")


def test_the_hours_of_a_corpus_are_in_the_next_headline(page: Page, workspace):
    shutil.rmtree(workspace.root / recordings.DEFAULT)
    archive = read_speech(seconds=30)
    with serving(**{"dev-clean_tar_gz": archive}) as mirror, server.running(workspace, page.context) as app:
        declare(workspace, corpus_of(archive, f"{mirror.address}/dev-clean.tar.gz", title="Read speech"))
        page.goto(f"{app.address}/Evaluation")
        press(page, "Evaluate")
        shows(page, re.compile("False alarms unknown: 0 minutes checked"))
        page.goto(f"{app.address}/Dataset")
        open_tab(page, "Public sound")
        click(page, page.locator(f".st-key-get_{READ} button"))
        shows(page, re.compile("Installed Read speech: 12 clips into stream. Next, scan and split"))
        press(page, "Scan Datasets")
        shows(page, "0 refused.")
        press(page, "Split Datasets")
        shows(page, re.compile("^Split .* clips: "))
        page.goto(f"{app.address}/Evaluation")
        click(page, page.get_by_text("New evaluation"))
        press(page, "Evaluate")
        shows(page, re.compile("[24] minutes checked"))
        no_traceback(page)
