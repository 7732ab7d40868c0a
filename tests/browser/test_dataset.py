"""The Dataset page in a real browser: takes through a microphone, a zip of 500 clips, a corpus, undo, mending."""

import io
import os
import re
import shutil
import threading
import zipfile

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, expect

from tests import recorders
from tests.browser import app as server
from tests.browser.conftest import hearing
from tests.browser.widgets import button, click, no_traceback, open_tab, pick, press, record, shows, tick, type_in
from tests.corpus_server import READ, corpus_of, declare, read_speech, serving
from tests.synthesis.test_piper import make_voice
from tests.tiny import clip_of, ignore, make_raw, write_wav
from tests.waiting import wait_for
from trainer.audio import manifest
from trainer.dataset import clips
from trainer.dataset.scan import scan
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace


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


def test_takes_from_the_microphone_become_a_split(microphone: Page, workspace: Workspace):
    make_raw(workspace, voices=4)
    shutil.rmtree(workspace.raw / "positive")
    page = microphone
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Dataset")
        open_tab(page, "Record")
        for number, speaker in enumerate(("anna", "anna", "ben", "ben", "cleo"), 1):
            type_in(page, "textbox", "Speaker", speaker)
            record(page, 900 + 400 * number)  # the microphone begins anew each time: the same twice would be a copy
            shows(page, f"{counted(number, 'take')} kept")
        takes = sorted((workspace.raw / "positive").rglob("take-*.wav"))
        assert [take.parent.name for take in takes].count("anna") == 2 and len(takes) == 5
        assert all(0.4 < soundfile.info(take).duration < 5 for take in takes)
        press(page, "Scan Datasets")
        shows(page, "0 refused.")
        press(page, "Split Datasets")
        shows(page, "No leakage")
        no_traceback(page)
    assert sum(clip.label == "positive" for clip in manifest.read_split(workspace, "train")) >= 2


def test_a_room_is_recorded_by_the_machine_and_by_the_browser(microphone: Page, workspace: Workspace, tmp_path):
    make_raw(workspace, voices=4)
    page = microphone
    path = recorders.arecord(tmp_path / "bin") + os.pathsep + os.environ["PATH"]
    with server.running(workspace, page.context, PATH=path) as app:
        page.goto(f"{app.address}/Dataset")
        open_tab(page, "Room")
        type_in(page, "textbox", "Name", "kitchen")
        type_in(page, "textbox", "Device", "arecord")
        press(page, "Start recording")
        shows(page, re.compile(r"Recording: .* kept .* left"))
        press(page, "Stop")
        shows(page, re.compile("Stopped after .* data/raw/stream/kitchen"))
        shows(page, re.compile("^kitchen · .* · 1 clip · "))
        pick(page, "This browser")
        type_in(page, "textbox", "Name", "den")
        record(page, 3000)
        shows(page, re.compile("^Recorded .* data/raw/stream/den"))
        shows(page, re.compile("^den · .* · 1 clip · "))
        (clip,) = (workspace.raw / "stream/den").glob("*.flac")
        assert 2 < soundfile.info(clip).duration < 10 and not list(workspace.uploads.iterdir())
        click(page, button(page, "Delete").first)  # the newest
        expect(page.get_by_text(re.compile("^den · "))).to_have_count(0)
        assert not clip.exists() and list((workspace.raw / "stream/kitchen").glob("*.flac"))
        no_traceback(page)


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
        shows(page, "No clips yet")
        open_tab(page, "Import")
        upload = {"name": "mine <b>.zip", "mimeType": "application/zip", "buffer": zip_of_clips(500)}
        page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files(upload)
        expect(button(page, "Import files")).to_be_enabled()
        press(page, "Import files")
        told = "Imported 500 into positive. 1 file skipped: 1 of an unsupported type (.txt)."
        shows(page, told)
        assert len(clips.load(workspace)) == 500 and not list((workspace.root / "data" / "uploads").iterdir())
        open_tab(page, "Changes")
        shows(page, re.compile(r"Import of mine b\.zip"))
        press(page, "Undo")
        shows(page, "No clips yet")
        assert not list(workspace.raw.rglob("*.wav"))
        no_traceback(page)


def test_findings_are_shown_heard_mended_and_undone(page: Page, workspace: Workspace):
    make_raw(workspace, voices=4)
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "positive/voice0/copy.wav")
    scan(workspace, ignore)
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Dataset")
        shows(page, "Exact duplicates")
        click(page, button(page, "Show").first)
        tick(page, page.get_by_test_id("stDataFrame").nth(1), 0)
        expect(page.get_by_test_id("stAudio")).to_be_visible()
        shows(page, "Log-mel spectrogram")
        press(page, "Delete 1 clip")
        shows(page, "To undo it, open Changes")
        shows(page, "0 refused.")
        open_tab(page, "Changes")
        press(page, "Undo")
        shows(page, re.compile("Undone: Deleted positive"))
        no_traceback(page)
    assert len(list((workspace.raw / "positive").rglob("*.wav"))) == 13


def test_a_corpus_is_broken_off_continued_installed_and_removed(page: Page, workspace: Workspace):
    archive, cancelled = read_speech(), threading.Event()
    half = len(archive) // 2
    with serving(**{"dev-clean_tar_gz": archive}) as mirror, server.running(workspace, page.context) as app:
        declare(workspace, corpus_of(archive, f"{mirror.address}/dev-clean.tar.gz", title="Read speech"))
        mirror.breaks, mirror.pause = [half], cancelled.wait
        try:
            page.goto(f"{app.address}/Dataset")
            open_tab(page, "Public sound")
            shows(page, "Licence: CC BY 4.0")
            click(page, page.locator(f".st-key-get_{READ} button"))
            wait_for(lambda: [path.stat().st_size for path in workspace.root.rglob("*.part")] == [half])
            press(page, "Cancel")
            shows(page, "What was downloaded is kept; get it again to continue.")
        finally:
            cancelled.set()
        shows(page, re.compile(r"\d+% downloaded"))
        click(page, page.locator(f".st-key-get_{READ} button"))
        shows(page, re.compile("Installed Read speech: 12 clips into .* Next, scan and split"))
        assert mirror.requests[-1] == ("/dev-clean.tar.gz", f"bytes={half}-")
        click(page, page.locator(f".st-key-remove_{READ} button"))
        shows(page, "Removed Read speech. To undo it, open Changes.")
        assert not list(workspace.raw.rglob("*.flac"))
        open_tab(page, "Changes")
        shows(page, "Public sound: Read speech")
        no_traceback(page)


def test_a_word_is_heard_corrected_and_spoken_by_chosen_voices(page: Page, workspace: Workspace):
    shelf, labels = workspace.root / "shelf", ("positive", "negative", "hard_negative", "background", "rirs")
    make_voice(shelf, "anna", speakers=2)
    with server.running(workspace, page.context, WAKEWORD_IMPORT_ROOTS=str(workspace.root)) as app:
        page.goto(f"{app.address}/Dataset")
        open_tab(page, "Voices")
        type_in(page, "textbox", "Folder with packages or voices (optional)", str(shelf))
        click(page, page.locator(".st-key-get_voices_piper button"))
        shows(page, "Installed 1 Piper voice: anna. Next, synthesise clips.")
        open_tab(page, "Synthesise")
        type_in(page, "textbox", "Phrase to speak", "hey mycroft")
        press(page, "Hear it")
        expect(page.get_by_test_id("stAudio")).to_have_count(5)
        pronunciations = page.get_by_role("textbox", name=re.compile("^Pronunciations in IPA"))
        expect(pronunciations).to_have_value("hˈeɪ mˈɪkɹɔft")
        pronunciations.fill("hˈeɪ mˈaɪkɹɔft")
        pronunciations.press("Control+Enter")
        press(page, "Hear it")
        shows(page, "piper · anna-0000 · hˈeɪ mˈaɪkɹɔft")
        for label in labels:
            type_in(page, "spinbutton", re.compile(f"^{label} clips"), "6" if label == "positive" else "0")
        press(page, "Synthesise clips")
        shows(page, "Imported 6 into positive.")
        no_traceback(page)
    voices = {path.parent.name for path in (workspace.raw / "positive").rglob("*hey mycroft.wav")}
    assert len(voices & {"demo-anna-0000", "demo-anna-0001"}) == 2 and len(voices) > 4
