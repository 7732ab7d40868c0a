"""The Dataset page as a user meets it."""

import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from streamlit.testing.v1 import AppTest

from tests.dataset.test_zip_names import zip_of
from tests.pages.tools import checked, draw, field, press, texts, write_job
from tests.tiny import ignore
from tests.waiting import PATIENCE
from trainer.audio import manifest
from trainer.dataset import repairs, speakers
from trainer.dataset.scan import scan
from trainer.synthesis import typed_words
from trainer.system import job


def test_an_empty_data_set_page_says_what_to_do(empty):
    app = draw("Dataset")
    assert {"Make demo data", "Scan Datasets", "Split Datasets"} <= {button.label for button in app.button}
    assert field(app, "text_input", "Phrase").value == "hey atlas"
    assert any("Make demo data, import or record clips" in text for text in texts(app))
    assert any("for trying the app" in caption.value for caption in app.caption)


def test_the_buttons_of_the_data_set_page_start_jobs(empty, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = draw("Dataset")
    field(app, "text_input", "Phrase").set_value("--ok computer")
    press(app, "Make demo data")
    press(app, "Scan Datasets")
    field(app, "text_input", "Ratios: train/val/test (%)").set_value("80/10/10")
    field(app, "number_input", "Seed").set_value(7)
    press(app, "Split Datasets")
    assert started == [
        ("demo", ["--phrase=--ok computer"]), ("scan", []), ("split", ["--ratios=80/10/10", "--seed=7"]),
    ]  # fmt: skip


def test_bad_ratios_and_an_empty_phrase_start_nothing(empty, monkeypatch):
    monkeypatch.setattr(job, "start", lambda *arguments: pytest.fail("a job was started"))
    app = draw("Dataset")
    field(app, "text_input", "Ratios: train/val/test (%)").set_value("70/20/15")
    assert "add up to 100" in press(app, "Split Datasets").error[0].value
    field(app, "text_input", "Phrase").set_value("  ")
    assert "Enter a phrase" in press(app, "Make demo data").error[0].value
    assert not app.run().error  # said once


def test_a_job_shows_its_progress_then_its_last_word(workspace):
    write_job(workspace, done=30, total=120, doing="Checking clips")
    app = draw("Dataset")
    bar = app.get("progress")[0].proto
    assert bar.value == 25
    assert re.fullmatch(r"Scanning: Checking clips \(30 of 120\), about [0-9:]+ left in this step", bar.text)
    starters = {
        "Make demo data",
        "Import folder",
        "Synthesise clips",
        "Scan Datasets",
        "Split Datasets",
    }
    assert starters <= {button.label for button in app.button if button.disabled}
    assert "Cancel" in {button.label for button in app.button if not button.disabled}
    write_job(workspace, state="done", message="56 clips, 1.3 minutes, 0 refused.")
    app.run()
    assert not app.get("progress")
    assert app.success[0].value == "56 clips, 1.3 minutes, 0 refused."
    assert [button.label for button in app.button if button.disabled] == ["Import files"], "nothing is uploaded"


def test_a_job_that_failed_says_why_in_one_sentence(workspace):
    write_job(workspace, state="failed", message="No usable clips in ![x](http://a.b).")
    assert draw("Dataset").error[0].value == "No usable clips in !\\[x\\](http\N{WORD JOINER}://a.b)."


def test_what_a_scan_found_is_shown_as_text(workspace):
    name = "![x](http:a) <img src=x>.wav"
    (workspace.raw / "positive" / name).write_bytes(b"no audio")
    (workspace.raw / "*odd*").mkdir()
    scan(workspace, ignore)
    app = draw("Dataset")
    tables = {tuple(frame.value.columns[:2]): frame.value for frame in app.dataframe}
    labels, refused, splits = tables["Label", "Clips"], tables["File", "Reason"], tables["Label", "Training"]
    assert labels.loc[0, ["Label", "Clips", "Speakers", "Sample rates"]].tolist() == [
        "positive", 24, 8, "16,000 Hz (24)",
    ]  # fmt: skip
    assert refused.values.tolist()[0][:2] == [f"positive/{name}", "damaged"]
    assert "Folder \\*odd\\* was not scanned" in app.warning[0].value
    assert splits.iloc[0].tolist() == ["positive", "15 (62%)", "6 (25%)", "3 (12%)"]
    assert any("No leakage" in caption.value for caption in app.caption)
    assert not any(name in markdown.value for markdown in app.markdown)


def view(app: AppTest, name: str) -> AppTest:
    app.session_state["clips_view"] = name
    return app.run()


def test_findings_are_told_and_mended_by_a_job(workspace, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "negative/voice0/same.wav")
    scan(workspace, ignore)
    app = draw("Dataset")
    assert any("The same audio as positive and as something else" in text.value for text in app.markdown)
    press(app, "Quarantine")
    assert started == [("mend", ["two_labels"])]


def test_the_clips_of_a_finding_are_listed(workspace):
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "negative/voice0/same.wav")
    scan(workspace, ignore)
    app = press(draw("Dataset"), "Show")
    table = next(frame.value for frame in app.dataframe if frame.value.columns[0] == "Clip")
    assert table["Clip"].tolist() == ["negative/voice0/same.wav", "positive/voice0/0.wav"]


def test_clips_are_filtered_by_name_and_label(workspace):
    app = view(draw("Dataset"), "Listen")
    field(app, "text_input", "Name contains").set_value("voice3").run()
    field(app, "multiselect", "Labels").set_value(["negative"]).run()
    table = next(frame.value for frame in app.dataframe if frame.value.columns[0] == "Clip")
    assert table["Clip"].tolist() == [f"negative/voice3/{n}.wav" for n in range(3)] and set(table["Seconds"]) == {1.5}


@pytest.mark.parametrize("name", ["Pictures", "Augmentation", "Speakers"])
def test_every_view_of_the_clips_draws(workspace, name: str):
    assert not view(draw("Dataset"), name).exception


def test_only_what_training_hears_can_be_previewed(workspace):
    app = view(draw("Dataset"), "Augmentation")
    heard = {clip.path for clip in manifest.read_split(workspace, "train") if clip.path.startswith("positive/")}
    assert set(field(app, "selectbox", "Clip").options) == heard
    manifest.split_file(workspace, "train").unlink()
    assert "Dataset splits not found." in " ".join(texts(view(draw("Dataset"), "Augmentation")))


def test_of_a_pattern_the_clips_that_it_matches_are_shown_first(workspace):
    app = view(draw("Dataset"), "Speakers")
    field(app, "radio", "Identify speakers by").set_value("pattern").run()
    field(app, "text_input", "Pattern").set_value("voice{speaker}/*.wav").run()
    table = next(frame.value for frame in app.dataframe if list(frame.value.columns) == ["Clip", "Speaker"])
    assert all(table["Speaker"].head(48)) and not any(table["Speaker"].tail(8)) and len(table) == 56


def test_a_speaker_pattern_is_shown_at_work_before_it_is_kept(workspace):
    app = view(draw("Dataset"), "Speakers")
    field(app, "radio", "Identify speakers by").set_value("pattern").run()
    field(app, "text_input", "Pattern").set_value("no place for it").run()
    assert any("must contain {speaker} once" in text for text in texts(app))
    field(app, "text_input", "Pattern").set_value("voice{speaker}/*.wav").run()
    assert any(text.value.startswith("**8 speakers**, 48 clips; 8 without a known speaker") for text in app.markdown)
    press(app, "Save rule")
    assert speakers.load_rule(workspace) == speakers.Rule(kind="pattern", pattern="voice{speaker}/*.wav")


def test_a_folder_outside_the_allowed_ones_is_refused(empty, monkeypatch):
    monkeypatch.setattr(job, "start", lambda *arguments: pytest.fail("a job was started"))
    monkeypatch.setenv("WAKEWORD_IMPORT_ROOTS", str(empty.root / "mine"))
    app = draw("Dataset")
    field(app, "text_input", "Folder on this machine").set_value("/etc")
    assert "/etc is not inside" in press(app, "Import folder").error[0].value


def test_uploaded_files_are_taken_scanned_and_can_be_undone(workspace, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append(verb))
    data = (workspace.raw / "positive/voice0/0.wav").read_bytes()
    app = draw("Dataset")
    field(app, "text_input", "Speaker (if only one)").set_value("anna")
    app.file_uploader[0].upload("../../up.wav", data, "audio/wav").upload("up.wav", data, "audio/wav").run()
    press(app, "Import files")
    assert "Imported 2 into positive" in app.success[0].value and "1 was numbered" in app.success[0].value
    names = sorted(path.name for path in (workspace.raw / "positive" / "anna").iterdir())
    assert names == ["up (2).wav", "up.wav"] and started == ["scan"]
    press(app, "Undo")
    assert not (workspace.raw / "positive" / "anna").exists() and started == ["scan", "scan"]


def test_several_zips_go_to_one_job_and_unclear_names_are_asked_for(workspace, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = draw("Dataset")
    field(app, "selectbox", "Label of the clips").set_value("from folder names")
    data = [
        zip_of(workspace.root / f"{name}.zip", [f"positive/{name}/a.wav".encode("cp949")]) for name in ("김철수", "a")
    ]
    for path in data:
        app.file_uploader[0].upload(path.name, path.read_bytes(), "application/zip")
    app.run()
    names = field(app, "selectbox", "File name encoding")
    wanted = next(option for option in names.options if "positive/김철수/a.wav" in option)
    assert wanted.startswith("Korean: ") and len(names.options) > 1
    names.set_value(wanted)
    press(app, "Import files")
    ((verb, arguments),) = started
    assert verb == "import" and "--names=cp949" in arguments and "--title=김철수.zip" in arguments
    assert [Path(argument).read_bytes() for argument in arguments[:2]] == [path.read_bytes() for path in data]


def test_takes_are_kept_or_told_what_is_wrong(workspace):
    app = draw("Dataset")
    field(app, "text_input", "Speaker").set_value("anna").run()
    app.audio_input[0].upload("take.wav", (workspace.raw / "positive/voice0/0.wav").read_bytes(), "audio/wav").run()
    assert any("1 take kept" in text.value for text in app.markdown)
    (kept,) = (workspace.raw / "positive" / "anna").iterdir()
    assert 0.8 < soundfile.info(kept).duration < 1.3, "silence is cut off"
    app.audio_input[0].upload("take.wav", wav_of(np.zeros(16000)), "audio/wav").run()
    assert any("The recording is silent" in text for text in texts(app))
    press(app, "Discard")
    press(app, "Undo last take")
    assert not (workspace.raw / "positive" / "anna").exists()


def wav_of(wave: np.ndarray) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, wave, 16000, "PCM_16", format="WAV")
    return out.getvalue()


def test_an_order_of_synthetic_clips_becomes_a_job(empty, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = draw("Dataset")
    assert "Enter a phrase first" in press(app, "Synthesise clips").error[0].value
    field(app, "text_input", "Phrase to speak").set_value("guten morgen").run()
    field(app, "selectbox", "Language").set_value("de").run()
    press(app, "Suggest look-alikes")
    proposed = field(app, "text_area", "Look-alikes, one per line (leave empty for suggestions)").value.splitlines()
    assert len(proposed) >= 8 and "guten morgen" not in proposed
    press(app, "Synthesise clips")
    ((verb, arguments),) = started
    assert verb == "synthesise" and "--language=de" in arguments and f"--look-alike={proposed[0]}" in arguments
    counts = dict(
        zip(
            ("positives", "negatives", "hard-negatives", "background", "rirs"), typed_words.COUNTS.values(), strict=True
        )
    )
    assert {f"--{option}={count}" for option, count in counts.items()} <= set(arguments)


def one_clip(root: str, path: str) -> None:
    """The part of the page that plays and shows one clip, as a script of its own."""
    from pathlib import Path

    from pages.ui.dataset import clip_browser
    from trainer.dataset import clips
    from trainer.system.workspace import Workspace

    workspace = Workspace(Path(root))
    found = clips.load(workspace).clips
    clip_browser._show_clip(workspace, found[found["path"] == path].iloc[0], busy=False)


def test_each_channel_of_a_clip_is_heard_and_one_can_be_taken(workspace, monkeypatch):
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: None)
    path = workspace.raw / "positive/voice0/0.wav"
    wave, rate = soundfile.read(path)
    soundfile.write(path, np.stack([wave, -wave], 1), rate)
    scan(workspace, ignore)
    arguments = (str(workspace.root), "positive/voice0/0.wav")
    app = checked(AppTest.from_function(one_clip, args=arguments, default_timeout=PATIENCE).run())
    assert any("Its channels cancel each other" in each.value for each in app.caption)
    assert len(app.get("audio")) == 1 and not app.button
    app.get("button_group")[0].set_value(2).run()
    press(app, "Use only channel 2")
    assert np.abs(soundfile.read(path)[0] + wave).max() < 1e-4


def test_a_file_that_stands_still_is_not_quarantined(workspace, monkeypatch):
    monkeypatch.setattr("trainer.dataset.scan._inspect_batch", lambda reader, paths: (
        {"reason": "not_answering", "message": "The disk slept."} for _ in paths
    ))  # fmt: skip
    (workspace.raw / "positive/new.wav").write_bytes(b"RIFF")
    scan(workspace, ignore)
    app = draw("Dataset")
    assert any("1 file could not be read this time," in each.value for each in app.caption)
    assert "mend_refused" not in [button.key for button in app.button]
    with pytest.raises(ValueError, match="nothing left to repair"):
        repairs.mend(workspace, "refused", ignore)
