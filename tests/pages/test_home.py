"""The page Home: the order of a detector, its stages, its result."""

import time

import pytest

from tests.kokoro_voices import TINY
from tests.pages.tools import checked, draw, field, links, press, texts, write_job
from tests.run_folders import end, make_alive, make_run
from tests.tiny import write_wav
from trainer.creation import creation, stages
from trainer.creation.creation import Before, Creation, Order
from trainer.evaluation.operating_point import OperatingPoint
from trainer.synthesis import engines
from trainer.system import job, processes
from trainer.system.workspace import Workspace

WORD, BUTTON = "What shall your device listen for?", "Create detector"
POINT = OperatingPoint(
    checkpoint="epoch-00005.pt", epoch=5, threshold=0.5, threshold_from="prior", measured_on="evaluation", words=60,
    synthetic_words=60, misses=6, miss_rate=0.1, false_accepts=0, hours=1.0, synthetic_hours=1.0,
)  # fmt: skip


@pytest.fixture
def started(monkeypatch) -> list[tuple[str, list[str]]]:
    jobs: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: jobs.append((verb, arguments)))
    return jobs


def order(app, phrase: str):
    field(app, "text_input", WORD).set_value(phrase)
    return press(app, BUTTON)


def write(workspace: Workspace, **changes: object) -> Creation:
    known = {
        "id": "1", "order": Order(phrase="hey *atlas*"), "inputs": "", "voices": ("espeak",), "recordings": 0,
        "created": "", "began": time.time(), "clock": processes.boot_clock() + 60,
        "planned": {"data": 60, "training": 120, "evaluation": 30},
    }  # fmt: skip
    return stages._written(workspace, Creation.model_validate(known | changes))


def test_one_field_and_one_button_order_a_detector(empty, started):
    app = draw("Wakeword Studio")
    assert "Enter the word" in press(app, BUTTON).error[0].value
    assert "jingle" in order(app, "§§§ jingle").error[0].value and not started
    app = order(app, "  hey  atlas ")
    assert not texts(app) and started == [("create", ["--minutes=10", "--language=en", "--", "hey atlas"])]


def test_a_phrase_is_rated_as_it_is_typed(empty):
    app = draw("Wakeword Studio")
    field(app, "text_input", WORD).set_value("jo")
    app = checked(app.run())
    shown = next(each.value for each in app.markdown if "badge[poor phrase]" in each.value)
    assert shown.startswith(":orange-badge") and "has 2 sounds" in shown
    field(app, "text_input", WORD).set_value("§")
    assert not any("phrase]" in each.value for each in checked(app.run()).markdown)


def test_minutes_language_and_pronunciation_are_part_of_the_order(empty, started):
    app = draw("Wakeword Studio")
    field(app, "selectbox", "Language").set_value("de")
    field(app, "number_input", "Minutes").set_value(30)
    field(app, "text_input", WORD).set_value("hallo")
    app = checked(app.run())
    app.text_area(key="order_pronunciations de hallo").set_value("haloː")
    press(app, BUTTON)
    assert started == [("create", ["--minutes=30", "--language=de", "--pronunciation=haloː", "--", "hallo"])]


def test_better_voices_are_offered_while_they_are_missing(empty, started, monkeypatch):
    monkeypatch.setattr(engines, "KOKORO", TINY)
    app = draw("Wakeword Studio")
    assert any("most people would not be heard" in caption.value for caption in app.caption)
    checked(app.button(key="create_get_voices").click().run())
    assert started == [("voices", ["get", "kokoro", "--from="])]
    write_job(empty, "voices", state="failed", message="The server is gone.")
    assert "The server is gone." in texts(draw("Wakeword Studio"))


def test_voices_are_offered_for_languages_that_they_speak(empty):
    app = draw("Wakeword Studio")
    for code, told in {"fr": " can be added.", "de": None}.items():
        field(app, "selectbox", "Language").set_value(code)
        app = checked(app.run())
        offers = [caption.value for caption in app.caption if "Only espeak-ng will speak" in caption.value]
        assert bool(offers) == bool(told) and all(told in each and "most people" not in each for each in offers)


def test_own_recordings_are_told(empty):
    assert any("Recordings of people make it better" in caption.value for caption in draw("Wakeword Studio").caption)
    write_wav(empty.raw / "positive" / "anna" / "0.wav", [0.0] * 16000)
    (empty.raw / "positive" / "anna" / "notes.txt").write_text("no recording")
    assert not any("replaces" in caption.value for caption in draw("Wakeword Studio").caption)
    write_wav(empty.raw / "positive" / "demo-en" / "0.wav", [0.0] * 16000)
    told = " ".join(caption.value for caption in draw("Wakeword Studio").caption)
    assert "Your 1 recording of the phrase" in told and "It replaces the synthetic clips that are there." in told


def test_a_running_creation_shows_its_stages_and_can_be_paused(empty, monkeypatch):
    cancelled = []
    monkeypatch.setattr(job, "cancel", lambda workspace, verb: cancelled.append(verb))
    write(empty, took={"data": 61.0}, began=time.time() - 30)
    write_job(empty, "create", done=1, total=4, doing="Training, epoch 1 of 4")
    app = draw("Wakeword Studio")
    shown = next(each.value for each in app.markdown if "Make the data set" in each.value)
    assert "Make the data set · 00:01:01" in shown and "**Train**" in shown and ":gray[Evaluate]" in shown
    assert app.header[0].value == "“hey \\*atlas\\*”"
    assert next(button for button in app.button if button.label == BUTTON).disabled
    bar = app.get("progress")[0].proto
    assert bar.value == 25 and "Training, epoch 1 of 4 · about 2 min left" in bar.text
    press(app, "Pause")
    assert cancelled == ["create"]


@pytest.mark.parametrize(("state", "told"), [("cancelled", "Paused. What was made is kept."), ("failed", "No space.")])
def test_an_interrupted_creation_can_be_continued(empty, started, state, told):
    run = make_run(empty, epochs=3)
    end(run, "paused", "Paused.")
    write(empty, took={"data": 61.0}, run=run.id)
    write_job(empty, "create", state=state, message="No space.")
    app = draw("Wakeword Studio")
    assert told in texts(app) and "Watch the training" in links(app)
    press(app, "Continue")
    assert started == [("create", ["--minutes=10", "--language=en", "--", "hey *atlas*"])]


def test_a_ready_detector_shows_its_headline_and_where_to_get_it(empty, monkeypatch):
    run = make_run(empty, epochs=5)
    end(run, "completed", "All done.")
    took = dict.fromkeys(creation.STAGES, 10.0)
    write(empty, took=took, run=run.id, recordings=3, before=Before(recordings=0, text="Hears 8 of 10."))
    monkeypatch.setattr("pages.ui.shared.metrics.point_of_run", lambda status: POINT)
    app = draw("Wakeword Studio")
    assert any("Hears 9 of 10 synthetic words." in each.value for each in app.markdown)
    assert "With 3 recordings of yours. With 0 recordings it was: Hears 8 of 10." in [
        each.value for each in app.caption
    ]
    assert {"Take it away", "Its training"} <= set(links(app))


def test_a_deleted_run_is_told(empty):
    write(empty, took=dict.fromkeys(creation.STAGES, 10.0), run="20260101-120000-0001")
    assert "The run of this detector was deleted. Create it again." in texts(draw("Wakeword Studio"))


def test_a_job_that_has_not_begun_shows_no_earlier_word(empty):
    write(empty, took=dict.fromkeys(creation.STAGES, 10.0), clock=0.0)
    write_job(empty, "create")
    app = draw("Wakeword Studio")
    assert not app.header and app.get("progress")[0].proto.text == "Starting"
    assert creation.is_starting(empty) and creation.progress(empty) is None


def test_the_page_of_the_data_pauses_a_creation_too(empty):
    write(empty)
    write_job(empty, "create", done=1, total=4, doing="Speaking")
    button = draw("Dataset").button(key="cancel_create")
    assert button.label == "Pause" and button.help.startswith("Keeps what was made")


def test_the_time_left_is_that_of_the_run_while_it_trains(empty):
    run = make_run(empty, epochs=5)
    make_alive(run)
    write(empty, took={"data": 61.0}, run=run.id)
    write_job(empty, "create", done=0, total=0, doing="Training")
    assert creation.progress(empty).seconds_left == 3723 + 30, "01:02:03 of the run, and the evaluation as planned"
