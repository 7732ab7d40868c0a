"""The form that records a room, as a user meets it."""

from pathlib import Path

import numpy as np
import pytest

from tests import tone_model
from tests.dataset.test_recording import take_bytes
from tests.pages.tools import checked, draw, field, press, texts, write_job
from tests.run_folders import make_run
from trainer.dataset import changes, room_recordings
from trainer.system import job
from trainer.system.workspace import Workspace

RECORDING = "20260101-200000-abcd"


@pytest.fixture
def started(monkeypatch) -> list[tuple[str, list[str]]]:
    jobs = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: jobs.append((verb, arguments)))
    return jobs


def write_recording(workspace: Workspace, clips: int = 2) -> None:
    names = [f"stream/den/{RECORDING}-00h0{5 * number}m00s.flac" for number in range(clips)]
    for name in names:
        (workspace.raw / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.raw / name).write_bytes(b"flac")
    parts = [{"path": name, "seconds": 300.0, "bytes": 4_000_000} for name in names]
    recording = room_recordings.Recording(
        id=RECORDING, source="den", created="2026-01-01 21:00", heard_seconds=600, clips=parts
    )
    workspace.capture.mkdir(parents=True)
    room_recordings.write(workspace, recording)


def test_a_recording_is_started_with_what_was_chosen(empty, started):
    app = draw("Dataset")
    assert any("Nothing leaves this machine." in caption.value for caption in app.caption)
    field(app, "text_input", "Name").set_value(" living  room ")
    field(app, "number_input", "Minutes").set_value(90)
    field(app, "text_input", "Device").set_value("usb")
    press(app, "Start recording")
    assert started == [("capture", ["--source=living room", "--minutes=90", "--device=usb"])]


def test_while_it_records_the_page_shows_level_and_time_left(empty, started, monkeypatch):
    stopped = []
    monkeypatch.setattr(job, "cancel", lambda workspace, verb: stopped.append(verb))
    doing = "██████░░░░ -24 dB, 12 min kept (11.0 MB), 00:48:00 left"
    write_job(empty, "capture", done=720, total=3600, doing=doing)
    app = draw("Dataset")
    bar = app.get("progress")[0].proto
    assert (bar.value, bar.text) == (20, f"Recording: {doing}")
    labels = {button.label: button for button in app.button}
    assert labels["Start recording"].disabled and not labels["Scan Datasets"].disabled
    press(app, "Stop")
    assert stopped == ["capture"]


def test_what_is_kept_is_listed_and_deleted_at_once_and_can_be_had_back(empty, started):
    write_recording(empty)
    app = draw("Dataset")
    assert any("den · 2026-01-01 21:00 · 10 min · 2 clips · 8.0 MB" in text.value for text in app.markdown)
    assert any("if you said the word during this time, delete that piece" in text.value for text in app.caption)
    press(app, "Delete")
    assert "Deleted recording den. To undo it, open Changes." in texts(app) and started == [("scan", [])]
    assert not list(empty.raw.rglob("*.flac"))
    changes.undo(empty, changes.recent(empty)[0].id)
    assert any("2 clips" in text.value for text in checked(app.run()).markdown)


def test_a_model_chooses_what_is_kept(empty, started):
    run = make_run(empty, label="first try")
    assert field(draw("Dataset"), "selectbox", "Keep").options == ["everything"], "it has no model"
    tone_model.write(run.model)
    app = draw("Dataset")
    field(app, "selectbox", "Keep").set_value(run.id)
    press(app, "Start recording")
    assert started == [("capture", ["--source=", "--minutes=60", "--device=", run.id])]


def test_the_browser_records_where_the_machine_has_no_microphone(empty, started):
    app = draw("Dataset")
    app.session_state["room_where"] = "This browser"
    checked(app.run())
    assert not any(button.label == "Start recording" for button in app.button)
    assert any("nothing is saved before you stop" in caption.value for caption in app.caption)
    data = take_bytes(np.zeros(16000))
    checked(app.audio_input[-1].upload("room.wav", data, "audio/wav").run())
    ((verb, words),) = started
    place = Path(words[1].removeprefix("--input="))
    assert verb == "capture" and words == ["--source=", f"--input={place}", "--consume"]
    assert place.parent == empty.uploads and place.read_bytes() == data


def test_what_the_browser_recorded_waits_while_another_recording_runs(empty, started):
    app = draw("Dataset")
    app.session_state["room_where"] = "This browser"
    checked(app.run())
    write_job(empty, "capture", doing="")
    checked(app.audio_input[-1].upload("room.wav", take_bytes(np.zeros(16000)), "audio/wav").run())
    assert "Another recording is running. Stop it, then keep this one." in texts(app) and started == []
    assert "Keep this recording" in {button.label for button in app.button}
