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
from tests.browser.test_walk import button, metric, no_traceback, settled, type_in, wait_for_metric
from tests.run_folders import end, make_run
from tests.tiny import make_workspace
from trainer.audio import audio_file
from trainer.config import config_file
from trainer.dataset import clips
from trainer.dataset.scan import scan
from trainer.detector.detector_file import NAME, DetectorFile
from trainer.run import runs
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


def choose_row(page: Page, table: str, row: int, enables: str) -> None:
    """Tick a row of the table of this name, which enables a button; what is drawn above it may move it meanwhile."""
    found = page.get_by_role("region", name=table, exact=True)
    for _ in range(5):
        settled(page)
        found.scroll_into_view_if_needed()
        box = found.locator("canvas").first.bounding_box()
        page.mouse.click(box["x"] + 15, box["y"] + 52 + 35 * row)
        page.wait_for_timeout(1000)
        settled(page)
        if button(page, enables).count():
            break
    expect(button(page, enables)).to_be_enabled()


def section(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()
    settled(page)


def evaluate_and_move_the_budget(page: Page, workspace) -> None:
    expect(page.get_by_text("Not evaluated yet.").first).to_be_visible()
    button(page, "Evaluate").click()
    wait_for_metric(page, "Miss rate at budget", r"[\d.]+ %")
    expect(page.get_by_text(re.compile("At threshold .* words are missed")).first).to_be_visible()
    strict = float(metric(page, "Threshold at budget"))
    assert metric(page, "False accepts at budget").startswith("below ")
    type_in(page, "spinbutton", "False accepts, at most", "5")
    type_in(page, "spinbutton", "in hours", "0.10")
    wait_for_metric(page, "False accepts at budget", r"[\d.]+/h")
    assert float(metric(page, "Threshold at budget")) < strict
    assert "accepts=5" in page.url and "in_hours=0.1" in page.url, "a reload shows the same"
    button(page, "Use this threshold").click()
    expect(page.get_by_text(re.compile("The model of epoch .* uses this threshold")).first).to_be_visible()
    file = durable.read_document(DetectorFile, runs.all_runs(workspace)[0].model / NAME)
    assert file.threshold_from.source == "evaluation" and file.threshold == pytest.approx(
        float(metric(page, "Threshold")), abs=1e-4
    )


def hear_a_false_accept_and_send_it(page: Page, workspace) -> None:
    choose_row(page, "False accepts", 0, "Send 1 to hard negatives")
    expect(page.get_by_text("Log-mel spectrogram").first).to_be_visible()
    player = page.get_by_test_id("stAudio").first
    player.evaluate("player => player.play()")
    page.wait_for_function("document.querySelector('[data-testid=stAudio]').currentTime > 0.3")
    button(page, "Send 1 to hard negatives").click()
    expect(page.get_by_text("Sent 1 false accepts to the hard negatives").first).to_be_visible()
    (sent,) = (workspace.raw / "hard_negative/false_accepts").glob("*.wav")
    assert audio_file.read(sent)[1].seconds > 1.2
    button(page, "Prepare the configuration").click()
    expect(page.get_by_text(re.compile("Saved as retrain-")).first).to_be_visible()
    run = runs.all_runs(workspace)[0]
    assert config_file.load(workspace.configs / f"retrain-{run.id}.yaml").training.start_from == run.id


def upload_and_speak(page: Page, workspace) -> None:
    section(page, "Listen")
    files = [workspace.raw / "positive/voice0/0.wav", workspace.raw / "negative/voice0/0.wav"]
    upload = page.get_by_test_id("stFileUploaderDropzoneInput").first
    upload.set_input_files([{"name": f"{n}.wav", "mimeType": "audio/wav", "buffer": file.read_bytes()} for n, file in
                            zip(("word", "other"), files, strict=True)])  # fmt: skip
    expect(page.get_by_text("1 detection", exact=True).first).to_be_visible()
    expect(page.get_by_text("No detections: the highest score is").first).to_be_visible()
    button(page, "Record").click()
    page.wait_for_timeout(4000)
    button(page, "Stop recording").click()
    expect(page.get_by_text("Your recording", exact=True).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"^[2-6] detections$")).first).to_be_visible()
    assert len(list((workspace.raw / "positive").rglob("take-*.wav"))) == 0, "nothing is kept unasked"
    type_in(page, "textbox", "Speaker", "anna")
    button(page, "Save this recording").click()
    expect(page.get_by_text("Recorded positive by anna").first).to_be_visible()


def test_a_run_is_evaluated_heard_mended_and_spoken_to(speaking: Page, workspace):
    page = speaking
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Evaluation")
        evaluate_and_move_the_budget(page, workspace)
        hear_a_false_accept_and_send_it(page, workspace)
        section(page, "Clips")
        expect(page.get_by_test_id("stVegaLiteChart").nth(1).locator("canvas, svg").first).to_be_visible()
        upload_and_speak(page, workspace)
        section(page, "Model")
        with page.expect_download() as download:
            button(page, "Download the model").click()
        assert download.value.suggested_filename.endswith("-epoch-3.zip")
        no_traceback(page)
    scan(workspace, lambda done, total, doing: None)
    assert sum(clips.load(workspace).clips["path"].str.startswith("hard_negative/false_accepts/")) == 1
    shutil.rmtree(workspace.root / "data" / "cache")
