"""The command line as scripts use it: documents, exit codes, one line for what is wrong."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests import fork_server
from tests.tiny import clip_of, ignore, make_raw, make_workspace, tiny_config, write_wav
from trainer.audio import manifest
from trainer.cli.terminal import hoist_globals
from trainer.config import saved_configs
from trainer.synthesis import recipes
from trainer.synthesis.recipes import Recipe
from trainer.system.workspace import Workspace


def call(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess:
    return fork_server.command(*arguments, "--root", workspace.root)


def answer(workspace: Workspace, *arguments: str):
    done = call(workspace, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(workspace: Workspace, *arguments: str) -> str:
    """The one line that a bad input gets; with --json it is a document too."""
    done = call(workspace, *arguments)
    assert done.returncode == 2 and not done.stdout, (done.returncode, done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    assert json.loads(call(workspace, *arguments, "--json").stdout)
    return line


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def test_the_whole_path(workspace):
    make_raw(workspace)
    assert answer(workspace, "scan")["labels"]["positive"]["clips"] == 24
    parts = answer(workspace, "split", "--ratios", "60/20/20", "--seed", "0")
    assert parts["train"]["positive"] > parts["val"]["positive"] > 0 and parts["groups_in_two_splits"] == 0
    saved_configs.save(workspace, "tiny", tiny_config(epochs=3))
    checked = answer(workspace, "validate", "tiny")
    assert checked["problems"] == [] and checked["estimates"]["memory_bytes"] > 1e8
    status = answer(workspace, "train", "tiny", "--name", "the first", "--wait")
    assert (status["state"], status["epoch"], status["label"]) == ("completed", 3, "the first")
    assert 0 <= status["fpr"] <= 1 and status["best"]["checkpoint"].startswith(status["folder"])
    assert answer(workspace, "status", "latest") == status == answer(workspace, "status", status["run"][:12])
    (listed,) = answer(workspace, "runs")
    assert {name: listed[name] for name in status} == status and listed["split"]
    lines = answer(workspace, "log", "latest")["lines"]
    assert any("Epoch 3/3 - Loss:" in line for line in lines)
    assert "nothing to stop" in refused(workspace, "stop", "latest")


def test_a_scan_tells_what_it_found_about_clips(workspace):
    make_raw(workspace)
    wave = clip_of(np.random.default_rng(7), 600.0)
    write_wav(workspace.raw / "positive" / "turned.wav", np.stack([wave, -wave], 1))
    done = call(workspace, "scan")
    assert done.returncode == 0
    assert "warning cancel: Clips whose channels cancel each other (1 clip).\n" in done.stdout


def test_clips_come_in_are_mended_and_go_again(workspace, tmp_path_factory):
    elsewhere = Workspace(tmp_path_factory.mktemp("elsewhere"))
    make_raw(elsewhere)
    made = answer(workspace, "import", str(elsewhere.raw))
    assert made["imported"] == {"background": 4, "negative": 24, "positive": 24, "rirs": 4}
    shutil.copy(workspace.raw / "positive/voice0/0.wav", workspace.raw / "positive/voice0/copy.wav")
    found = answer(workspace, "scan")["findings"]
    assert {"finding": "duplicates", "severity": "warning", "title": "Exact duplicates", "clips": 1,
            "remedy": "quarantine"} in found  # fmt: skip
    mended = answer(workspace, "mend", "duplicates")["change"]
    assert answer(workspace, "scan")["labels"]["positive"]["clips"] == 24
    assert "nothing left to repair" in refused(workspace, "mend", "duplicates")
    answer(workspace, "undo", mended)
    assert answer(workspace, "scan")["labels"]["positive"]["clips"] == 25
    assert answer(workspace, "synthesise", "--rirs", "3", "--background", "2")["imported"] == {
        "background": 2,
        "rirs": 3,
    }
    shutil.rmtree(workspace.raw / "rirs")
    assert {"no_rirs": "generate"}.items() <= {
        one["finding"]: one["remedy"] for one in answer(workspace, "scan")["findings"]
    }.items()
    answer(workspace, "mend", "no_rirs")
    assert answer(workspace, "scan")["labels"]["rirs"]["clips"] == 50
    first = answer(workspace, "split")
    assert answer(workspace, "split", "--from-scratch")["fingerprint"] == first["fingerprint"]
    saved_configs.save(workspace, "tiny", tiny_config())
    (clip, *_) = sorted(path for path, part in parts(workspace).items() if part == "train" and path.startswith("pos"))
    folder = Path(answer(workspace, "preview", "tiny", clip)["folder"])
    assert len(list(folder.glob("*.wav"))) == 10


def test_synthesised_clips_have_a_pace_and_a_microphone_of_their_own(workspace, tmp_path):
    answer(workspace, "synthesise", "--phrase", "hello moon", "--positives", "2")
    same = Workspace(tmp_path / "same")
    recipes.synthesise(same, Recipe("hello moon", counts={"positive": 2}, is_varied=True), ignore)
    made, expected = ({path.name: path.read_bytes() for path in each.raw.rglob("*.wav")} for each in (workspace, same))
    assert made == expected and len(made) == 2


def parts(workspace: Workspace) -> dict[str, str]:
    return {clip.path: part for part, clips in manifest.read_splits(workspace).items() for clip in clips}


def test_a_started_run_is_stopped_by_its_id(workspace):
    made = make_workspace(workspace.root)
    saved_configs.save(made, "tiny", tiny_config(epochs=10_000))
    run = answer(made, "train", "tiny")["run"]
    answer(made, "stop", run, "--now")
    for _ in range(100):
        status = answer(made, "status", run)
        if status["state"] == "stopped":
            break
    assert status["state"] == "stopped" and status["outcome"]["state"] == "stopped"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["scan"], "Make demo data, or put WAV"),
        (["split"], "No scan found."),
        (["split", "--ratios", "1/2/3"], "such as 70/15/15"),
        (["train", "recommended"], "Dataset splits not found. Scan and split on the Dataset page first."),
        (["train", "nothing"], "There is no configuration 'nothing'. Give the path of a YAML file or one of"),
        (["status", "latest"], "There are no runs"),
        (["demo", "--phrase", ""], "The phrase is empty"),
        (["demo", "--positives", "many"], "'many' is not a valid"),
        (["import", "/nowhere/at/all"], "is not a folder"),
        (["import", "/etc/hostname"], "cannot be unpacked"),
        (["import", "/etc", "--label", "good"], "choose one of positive"),
        (["undo", "nothing"], "There is no change 'nothing'."),
        (["synthesise"], "Every count is 0"),
        (["synthesise", "--phrase", "привет", "--positives", "1"], "is not a letter of English"),
        (["preview", "quick", "positive/1.wav"], "Dataset splits not found"),
        (["fly"], "No such command 'fly'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_2(workspace, arguments: list[str], told: str):
    assert told in refused(workspace, *arguments)


def test_bad_configurations_name_the_option(workspace):
    path = workspace.root / "bad.yaml"
    path.write_text("training: {epochs: 0, epoch: 1}")
    done = call(workspace, "validate", str(path), "--json")
    problems = json.loads(done.stdout)["problems"]
    assert done.returncode == 2 and {problem["option"] for problem in problems} == {"training.epochs", "training.epoch"}
    assert "training.epochs: must be at least 1; 0 given." in refused(workspace, "train", str(path))


def test_a_workspace_that_is_not_there_is_told(tmp_path):
    assert "does not exist" in refused(Workspace(tmp_path / "nowhere"), "runs")


def test_a_missing_clip_and_an_unwritable_runs_folder_are_told(workspace):
    made = make_workspace(workspace.root)
    made.runs.write_text("a file where the folder of runs should be")
    assert "cannot be written to" in refused(made, "train", "quick")
    made.runs.unlink()
    next((made.raw / "positive").rglob("*.wav")).unlink()
    assert "is missing on disk. Scan and split again" in refused(made, "train", "quick")


def test_global_options_may_stand_anywhere():
    assert hoist_globals(["scan", "--json", "--root", "/x"]) == ["--json", "--root", "/x", "scan"]
    assert hoist_globals(["detect", "--", "--json"]) == ["detect", "--", "--json"]
    assert hoist_globals(["runs", "--root"]) == ["--root", "runs"]
