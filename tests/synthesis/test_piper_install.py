"""Piper voices that are kept in the workspace: copied when they speak, listed, spoken with, and removed."""

import shutil
from pathlib import Path

import pytest

from tests import fork_server, hostile_voices
from tests.run_folders import workspace_at
from tests.synthesis.test_piper import make_voice
from tests.tiny import ignore
from trainer.synthesis import engines, phrases, piper_install, recipes
from trainer.synthesis.recipes import Recipe
from trainer.system import download
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    (tmp_path / "workspace").mkdir()
    return Workspace(tmp_path / "workspace")


def get(workspace: Workspace, source: Path) -> piper_install.Added:
    return piper_install.get(workspace, str(source), ignore)


def names(workspace: Workspace) -> list[str]:
    return [voice.path.stem for voice in piper_install.installed(workspace)]


def state(workspace: Workspace) -> dict:
    return next(each for each in engines.documents(workspace) if each["name"] == "piper")


def test_voices_are_copied_and_listed(workspace, tmp_path):
    assert not state(workspace)["installed"] and state(workspace)["source"] == "files"
    make_voice(tmp_path / "mine", "anna")
    make_voice(tmp_path / "mine" / "below", "crowd", speakers=3)
    added = get(workspace, tmp_path / "mine")
    assert added.sentence() == "Installed 2 Piper voices: anna, crowd. Next, synthesise clips."
    shutil.rmtree(tmp_path / "mine")
    listed = state(workspace)
    assert (listed["installed"], listed["voices"], listed["languages"]) == (True, 4, ["en"])
    assert listed["seconds_per_clip"] is not None and names(workspace) == ["anna", "crowd"]
    assert not list(piper_install.folder(workspace).glob("*.partial"))


def test_more_voices_are_added_and_the_same_is_not_copied_again(workspace, tmp_path):
    get(workspace, make_voice(tmp_path / "mine", "anna"))
    assert get(workspace, tmp_path / "mine").sentence() == "anna: already installed."
    make_voice(tmp_path / "mine", "bert")
    assert get(workspace, tmp_path / "mine").new == ["bert"] and names(workspace) == ["anna", "bert"]


def test_two_different_voices_of_one_name_are_told(workspace, tmp_path):
    get(workspace, make_voice(tmp_path / "mine", "anna"))
    with pytest.raises(ValueError, match=r"two different voices anna.onnx. Rename one of them"):
        get(workspace, make_voice(tmp_path / "other", "anna", speakers=2))
    assert names(workspace) == ["anna"]


def test_a_voice_that_does_not_speak_is_not_kept(workspace, tmp_path):
    make_voice(tmp_path / "mine", "anna")
    hostile_voices.spoil(make_voice(tmp_path / "mine", "bad"), "silent")
    with pytest.raises(ValueError, match=r"bad\.onnx produces no sound"):
        get(workspace, tmp_path / "mine")
    assert not names(workspace)


@pytest.mark.parametrize(
    ("source", "told"), [("", "come from your files"), ("nowhere", "There is no Piper voice at")], ids=str
)
def test_without_a_voice_the_next_step_is_told(workspace, tmp_path, source: str, told: str):
    with pytest.raises(ValueError, match=told):
        piper_install.get(workspace, source and str(tmp_path / source), ignore)


def test_another_process_is_waited_for(workspace, tmp_path):
    make_voice(tmp_path / "mine", "anna")
    with (
        download.only_one(workspace.voices / "piper.lock", "Piper"),
        pytest.raises(ValueError, match="another process"),
    ):
        get(workspace, tmp_path / "mine")


def test_kept_voices_speak_their_language_beside_the_other_engines(workspace, tmp_path):
    get(workspace, make_voice(tmp_path / "mine", "anna"))
    chosen = {code: engines.choose(workspace, (), phrases.LANGUAGES[code], "") for code in ("en", "de")}
    assert [engine.name for engine in chosen["en"]] == ["espeak", "piper"]
    assert [engine.name for engine in chosen["de"]] == ["espeak"]
    counts = {"positive": 4}
    recipes.synthesise(workspace, Recipe("hello moon", counts=counts, engines=("piper",)), ignore)
    assert {path.parent.name for path in workspace.raw.rglob("*.wav")} == {"demo-anna"}


def test_a_path_of_an_order_speaks_alone_in_any_language(workspace, tmp_path):
    get(workspace, make_voice(tmp_path / "mine", "anna"))
    other = make_voice(tmp_path / "other", "bert")
    (engine,) = engines.choose(workspace, (), phrases.LANGUAGES["de"], str(other))
    assert engine.voices(phrases.LANGUAGES["de"]) == ["bert"]


def test_the_command_adds_and_removes(tmp_path):
    workspace = workspace_at(tmp_path / "here")
    make_voice(tmp_path / "mine", "anna")
    done = fork_server.command("--root", workspace.root, "voices", "get", "piper", "--from", tmp_path / "mine")
    assert "Installed 1 Piper voice: anna." in done.stdout and done.returncode == 0
    done = fork_server.command("--root", workspace.root, "voices", "remove", "piper")
    assert "Your own files stay" in done.stdout and not names(workspace)
    done = fork_server.command("--root", workspace.root, "voices", "remove", "piper")
    assert done.returncode == 2 and "Piper has no voices here" in done.stderr
