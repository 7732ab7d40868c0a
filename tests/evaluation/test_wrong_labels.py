"""Clips whose label the newest training doubts: which are listed, and what is done about them."""

import json
import subprocess

import numpy as np
import pytest

from tests import fork_server
from tests.run_folders import end, make_alive, make_run
from tests.tiny import ignore, make_workspace
from trainer.dataset import changes, clips, findings, repairs
from trainer.dataset.scan import scan
from trainer.evaluation import wrong_labels
from trainer.evaluation.wrong_labels import ClipScore
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

DOUBTED = ("positive/voice0/0.wav", "negative/voice1/1.wav")


def known(workspace: Workspace):
    return clips.load(workspace).clips


def score_clips(workspace: Workspace, run: Run, doubted: tuple[str, ...], epochs: int = 40) -> None:
    """Label scores as a training leaves them: these clips far below the others."""
    rng, table = np.random.default_rng(0), known(workspace)
    rows = [
        {
            "path": path, "label": label, "digest": digest, "part": "train", "right": 0.0 if path in doubted else 1.0,
            "margin": -2.0 if path in doubted else float(rng.normal(3, 0.1)),
        }
        for path, label, digest in zip(table["path"], table["label"], table["digest"], strict=True)
    ]  # fmt: skip
    durable.replace_json(run.label_scores_file, {"epochs": epochs, "clips": rows})


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Clips, a scan, and a run that doubts two of them."""
    made = make_workspace(tmp_path)
    run = make_run(made)
    end(run, "completed", "done")
    score_clips(made, run, DOUBTED)
    return made


def listed(workspace: Workspace) -> set[str]:
    found = wrong_labels.find(workspace, known(workspace))
    return {score.path for score in found.clips} if found else set()


def test_the_clips_far_below_the_others_of_their_label_are_listed_and_no_others(workspace: Workspace):
    assert listed(workspace) == set(DOUBTED)
    finding = next(one for one in wrong_labels.health(workspace, known(workspace)) if one.code == findings.WRONG_LABELS)
    assert set(finding.paths) == set(DOUBTED) and finding.severity == "warning" and finding.remedy == ""
    summary = clips.summary(workspace, clips.load(workspace), wrong_labels.health(workspace, known(workspace)))
    assert (findings.WRONG_LABELS, 2) in [(one["finding"], one["clips"]) for one in summary["findings"]]


@pytest.mark.parametrize(
    "paths, severity, advice",
    [
        (("positive/demo-en-us/0.wav",), "info", "All are synthetic"),
        (("positive/demo-en-us/0.wav", "positive/anna/1.wav"), "warning", "Wrong labels make"),
    ],
)
def test_synthetic_clips_alone_blame_nobody(paths: tuple[str, ...], severity: str, advice: str):
    doubted = [ClipScore(path=path, label="positive", digest=path, part="train", right=0, margin=-2) for path in paths]
    (finding,) = wrong_labels.finding(wrong_labels.Suspects("run", 40, tuple(doubted)))
    assert finding.severity == severity and advice in finding.effect and finding.paths == paths


def test_at_most_a_tenth_of_a_label_is_listed():
    scores = [
        ClipScore(path=f"positive/{n}", label="positive", digest=str(n), part="val", margin=-n * (n < 40), right=0.5)
        for n in range(100)
    ]
    assert [score.margin for score in wrong_labels.doubted(scores)] == [-39 + n for n in range(10)]


def test_a_clip_with_another_label_without_a_file_or_with_other_audio_is_not_listed(workspace: Workspace):
    repairs.relabel(workspace, [DOUBTED[0]], "hard_negative")
    (workspace.raw / DOUBTED[1]).write_bytes((workspace.raw / "negative/voice0/0.wav").read_bytes())
    scan(workspace, ignore)
    assert listed(workspace) == set()


def test_a_clip_that_was_moved_within_its_label_is_listed_where_it_is(workspace: Workspace):
    (workspace.raw / DOUBTED[0]).rename(workspace.raw / "positive/voice1/new.wav")
    scan(workspace, ignore)
    assert listed(workspace) == {"positive/voice1/new.wav", DOUBTED[1]}


def test_a_confirmed_label_is_remembered_until_it_is_undone(workspace: Workspace):
    change = wrong_labels.confirm(workspace, known(workspace), [DOUBTED[0]])
    assert change.title == f"Confirmed the label of {DOUBTED[0]}" and listed(workspace) == {DOUBTED[1]}
    assert change.files == 0, "the document is no clip"
    newer = make_run(workspace, 2)
    score_clips(workspace, newer, DOUBTED)
    assert listed(workspace) == {DOUBTED[1]}, "another training asks no second time"
    changes.undo(workspace, change.id)
    assert listed(workspace) == set(DOUBTED)
    with pytest.raises(ValueError, match="is not a clip of the last scan"):
        wrong_labels.confirm(workspace, known(workspace), ["positive/nobody.wav"])


@pytest.mark.parametrize("damaged", [b"", b'{"epochs": 40', b'{"epochs": 40, "clips": [{"margin": NaN}]}', b"\xff\xfe"])
def test_damaged_scores_give_way_to_those_of_the_run_before(workspace: Workspace, damaged: bytes):
    make_run(workspace, 2).label_scores_file.write_bytes(damaged)
    (workspace.root / "data" / wrong_labels.CONFIRMED).mkdir()
    (workspace.root / "data" / wrong_labels.CONFIRMED / "odd.json").write_bytes(damaged)
    assert listed(workspace) == set(DOUBTED)


def test_a_run_that_still_trains_or_was_too_short_is_not_asked(workspace: Workspace):
    alive, short = make_run(workspace, 3), make_run(workspace, 2)
    for run, epochs in ((alive, 40), (short, 2)):
        score_clips(workspace, run, ("positive/voice2/2.wav",), epochs)
    make_alive(alive)
    assert listed(workspace) == set(DOUBTED)


def verb(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    return fork_server.command("--root", workspace.root, *arguments)


def test_the_command_line_lists_them_and_mends_each(workspace: Workspace):
    document = json.loads(verb(workspace, "suspects", "--json").stdout)
    assert {score["path"] for score in document["suspects"]} == set(DOUBTED) and document["epochs"] == 40
    refused = verb(workspace, "mend", findings.WRONG_LABELS)
    assert refused.returncode == 2 and "trainer suspects" in refused.stderr
    assert verb(workspace, "relabel", DOUBTED[0], "--label", "hard_negative").returncode == 0
    assert (workspace.raw / DOUBTED[0].replace("positive", "hard_negative")).exists()
    assert json.loads(verb(workspace, "confirm", DOUBTED[1], "--json").stdout)["change"]
    assert "0 clips by run" in verb(workspace, "suspects").stdout
    assert verb(workspace, "quarantine", "negative/voice2/0.wav").returncode == 0
    assert not (workspace.raw / "negative/voice2/0.wav").exists()
    for bad in (("quarantine", "../../etc/passwd"), ("confirm", "negative/gone.wav"), ("relabel", "x", "--label=x")):
        done = verb(workspace, *bad)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
