"""The Dataset page in a real browser: takes through a microphone, a zip of 500 clips, undo, mending, listening."""

import io
import re
import shutil
import zipfile

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.conftest import hearing
from tests.tiny import clip_of, ignore, make_raw, write_wav
from trainer.audio import manifest
from trainer.dataset import clips
from trainer.dataset.scan import scan
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def no_traceback(page: Page) -> None:
    assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").first.inner_text()


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture
def microphone(playwright, tmp_path):
    """A browser whose microphone hears a word of half a second every second and a half, for ever."""
    rng = np.random.default_rng(3)
    heard = np.concatenate([clip_of(rng, 500 + 40 * number) for number in range(8)])
    write_wav(tmp_path / "microphone.wav", np.repeat(heard, 3), 48000)
    with hearing(playwright, tmp_path / "microphone.wav") as page:
        yield page


def record(page: Page, number: int) -> None:
    """A take longer than the one before: the microphone begins anew each time, and the same twice would be a copy."""
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(600 + 700 * number)
    page.get_by_role("button", name="Stop recording", exact=True).click()
    expect(page.get_by_text(f"{counted(number, 'take')} kept").first).to_be_visible()


def test_takes_from_the_microphone_become_a_split(microphone: Page, workspace: Workspace):
    make_raw(workspace, voices=4)
    shutil.rmtree(workspace.raw / "positive")
    page = microphone
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Dataset")
        page.get_by_role("tab", name="Record").click()
        for number, speaker in enumerate(("anna", "anna", "ben", "ben", "cleo"), 1):
            page.get_by_label("Speaker", exact=True).fill(speaker)
            page.get_by_label("Speaker", exact=True).press("Enter")
            page.wait_for_timeout(500)
            record(page, number)
        takes = sorted((workspace.raw / "positive").rglob("take-*.wav"))
        assert [take.parent.name for take in takes].count("anna") == 2 and len(takes) == 5
        assert all(0.4 < soundfile.info(take).duration < 5 for take in takes)
        button(page, "Scan Datasets").click()
        expect(page.get_by_text("0 refused.").first).to_be_visible()
        button(page, "Split Datasets").click()
        expect(page.get_by_text("No leakage").first).to_be_visible()
        no_traceback(page)
    assert sum(clip.label == "positive" for clip in manifest.read_split(workspace, "train")) >= 2


def zip_of_clips(count: int) -> bytes:
    out, rng = io.BytesIO(), np.random.default_rng(4)
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(count):
            sound = io.BytesIO()
            soundfile.write(sound, clip_of(rng, rng.uniform(300, 900)), 16000, "PCM_16", format="WAV")
            archive.writestr(f"clips/speaker{number % 20}/{number}.wav", sound.getvalue())
        archive.writestr("clips/readme.txt", "not a clip")
    return out.getvalue()


def test_a_zip_of_500_clips_comes_in_and_goes_again(page: Page, workspace: Workspace):
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Dataset")
        expect(page.get_by_text("No clips yet").first).to_be_visible()
        page.get_by_role("tab", name="Import").click()
        upload = {"name": "mine <b>.zip", "mimeType": "application/zip", "buffer": zip_of_clips(500)}
        page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(upload)
        expect(button(page, "Import files")).to_be_enabled()
        button(page, "Import files").click()
        told = "Imported 500 into positive. 1 file skipped: 1 of an unsupported type (.txt)."
        expect(page.get_by_text(told).first).to_be_visible()
        assert len(clips.load(workspace)) == 500 and not list((workspace.root / "data" / "uploads").iterdir())
        page.get_by_role("tab", name="Changes").click()
        expect(page.get_by_text(re.compile(r"Import of mine b\.zip")).first).to_be_visible()
        button(page, "Undo").click()
        expect(page.get_by_text("No clips yet").first).to_be_visible()
        assert not list(workspace.raw.rglob("*.wav"))
        no_traceback(page)


def test_findings_are_shown_heard_mended_and_undone(page: Page, workspace: Workspace):
    make_raw(workspace, voices=4)
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "positive/voice0/copy.wav")
    scan(workspace, ignore)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Dataset")
        expect(page.get_by_text("Exact duplicates").first).to_be_visible()
        button(page, "Show").first.click()
        table = page.get_by_test_id("stDataFrame").nth(1)
        expect(table).to_be_visible()
        box = table.locator("canvas").first.bounding_box()
        page.mouse.click(box["x"] + 15, box["y"] + 52)
        expect(page.get_by_test_id("stAudio")).to_be_visible()
        expect(page.get_by_text("Log-mel spectrogram").first).to_be_visible()
        button(page, "Delete 1 clip").click()
        expect(page.get_by_text("To undo it, open Changes").first).to_be_visible()
        expect(page.get_by_text("0 refused.").first).to_be_visible()
        page.get_by_role("tab", name="Changes").click()
        button(page, "Undo").click()
        expect(page.get_by_text(re.compile("Undone: Deleted positive")).first).to_be_visible()
        no_traceback(page)
    assert len(list((workspace.raw / "positive").rglob("*.wav"))) == 13
