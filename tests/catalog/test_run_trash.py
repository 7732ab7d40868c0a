"""Runs thrown away and brought back, and the disk that is given back."""

import hashlib
import json
import os
import shutil

import pytest

from tests import fork_server
from tests.run_folders import end, make_alive, make_run, write_progress
from trainer.catalog import disk, index, notes, reading, trash
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run import runs
from trainer.run.documents import Best
from trainer.system import durable
from trainer.system.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path)


def ended(workspace, number=1):
    run = make_run(workspace, number)
    end(run, "completed", "All epochs are done.")
    return run


def checkpoint(run, epoch, sound=True):
    run.checkpoints.mkdir(exist_ok=True)
    path = run.checkpoints / f"epoch-{epoch:05d}.pt"
    path.write_bytes(bytes([epoch]) * 1000)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    durable.replace_json(path.with_name(path.name + ".json"), {"size": 1000, "sha256": digest if sound else "0"})
    return path


def files(run):
    return {str(path.relative_to(run.folder)): path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}


def test_a_run_goes_to_the_trash_and_comes_back_as_it_was(workspace):
    run = ended(workspace)
    notes.change(run, name="mine")
    before = files(run)
    there = trash.add(workspace, run)
    assert runs.all_runs(workspace) == [] and index.update(workspace).rows == [] and trash.all_of(workspace) == [there]
    assert trash.rows(workspace)[0].label == "mine"
    back = trash.restore(workspace, trash.find(workspace, run.id[:12]))
    assert back == run and files(run) | before == files(run) and trash.all_of(workspace) == []


def follower_of(workspace, run, model):
    """A run that lives, has not begun, and starts from a model of another one."""
    follower = make_run(workspace, 2)
    training = Config().training.model_copy(update={"start_from": run.id + model})
    config = Config().model_copy(update={"training": training})
    follower.config_file.write_bytes(config_file.dump(config))
    write_progress(follower, [], epoch=0)
    make_alive(follower)
    return follower


@pytest.mark.parametrize("model", ["", "/epoch-00002"])
def test_a_live_or_needed_run_stays(workspace, model):
    run = ended(workspace)
    follower = follower_of(workspace, run, model)
    with pytest.raises(ValueError, match=r"is running\. Stop it before"):
        trash.add(workspace, follower)
    with pytest.raises(ValueError, match="starts from a model of run"):
        trash.add(workspace, run)
    with pytest.raises(ValueError, match="starts from a model of run"):
        trash.add(workspace, run, index.update(workspace).rows)
    write_progress(follower, [])
    make_alive(follower)
    trash.add(workspace, run)
    with pytest.raises(ValueError, match="no longer exists"):
        trash.add(workspace, run)
    assert not run.folder.exists()


def test_equal_names_stand_side_by_side_in_the_trash(workspace):
    first = trash.add(workspace, ended(workspace))
    second = trash.add(workspace, ended(workspace))
    assert [run.id for run in trash.all_of(workspace)] == [f"{first.id}.2", first.id] == [second.id, first.id]
    run = trash.restore(workspace, trash.find(workspace, second.id))
    with pytest.raises(ValueError, match="already exists"):
        trash.restore(workspace, trash.find(workspace, first.id))
    with pytest.raises(ValueError, match="not in the trash"):
        trash.delete(run)
    assert trash.empty(workspace) == 1 and trash.all_of(workspace) == [] and run.folder.exists()


def test_a_linked_run_is_not_lost_in_the_trash(workspace, tmp_path_factory):
    """A link that tells its target from where it is leads nowhere from there."""
    run, elsewhere = ended(workspace), tmp_path_factory.mktemp("disk") / "run"
    run.folder.rename(elsewhere)
    run.folder.symlink_to(os.path.relpath(elsewhere, workspace.runs))
    with pytest.raises(ValueError, match="is a link to another folder"):
        trash.add(workspace, run)
    assert runs.status(run).state == "completed"


def test_who_brings_a_run_back_while_it_is_deleted_gets_all_of_it_or_nothing(workspace, monkeypatch):
    there = trash.add(workspace, ended(workspace))
    remove, told = shutil.rmtree, []

    def meanwhile(folder, **options):
        with pytest.raises(ValueError, match="no longer in the trash") as error:
            trash.restore(workspace, there)
        told.append(error)
        if len(told) > 1:
            remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", meanwhile)
    trash.delete(there)  # and is killed before it removes anything
    assert runs.all_runs(workspace) == trash.all_of(workspace) == [] and list(trash.folder_of(workspace).iterdir())
    with pytest.raises(ValueError, match="no longer in the trash"):
        trash.delete(there)
    trash.empty(workspace)
    assert len(told) == 2 and not list(trash.folder_of(workspace).iterdir())


def test_what_a_resume_goes_back_to_stays(workspace):
    run = ended(workspace)
    for epoch in range(1, 5):
        checkpoint(run, epoch, sound=epoch != 4)
    mark = run.checkpoints / "epoch-00003.pt.json"
    durable.replace_json(mark, durable.read_json(mark) | {"best": {"checkpoint": "epoch-00002.pt"}})
    best = Best(epoch=4, val_loss=0.1, val_accuracy=None, checkpoint="epoch-00004.pt")
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())
    with pytest.raises(ValueError, match="is missing or damaged, so no other can be deleted"):
        disk.free(run)
    durable.replace_json(run.checkpoints / "best.json", best.model_dump() | {"checkpoint": "epoch-00001.pt"})
    assert disk.free(run).kept == ("epoch-00001.pt", "epoch-00003.pt", "epoch-00002.pt")


def test_only_old_checkpoints_go(workspace):
    run = ended(workspace)
    for epoch in range(1, 6):
        checkpoint(run, epoch, sound=epoch != 5)
    (run.checkpoints / "epoch-00009.pt.tmp.1").write_bytes(b"part")
    with pytest.raises(ValueError, match="which of its checkpoints is the best"):
        disk.freeable(run)
    best = Best(epoch=2, val_loss=0.1, val_accuracy=None, checkpoint="epoch-00002.pt")
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())
    told = disk.freeable(run)
    assert told.kept == ("epoch-00002.pt", "epoch-00004.pt")  # the last one is damaged, so the one before stays
    before = reading.disk_usage(run)
    assert disk.free(run) == told
    assert (
        before.total - reading.disk_usage(run).total
        == before.checkpoints - reading.disk_usage(run).checkpoints
        == told.size_bytes
    )
    kept = {"best.json", *(name + mark for name in told.kept for mark in ("", ".json"))}
    assert {path.name for path in run.checkpoints.iterdir()} == kept
    assert disk.freeable(run).files == ()
    make_alive(run)
    run.outcome_file.unlink()
    with pytest.raises(ValueError, match="deletes old checkpoints itself"):
        disk.free(run)


@pytest.mark.parametrize("waits", [True, False])
def test_a_checkpoint_stays_until_the_run_that_starts_from_it_has_begun(workspace, waits):
    run = ended(workspace)
    for epoch in range(1, 5):
        checkpoint(run, epoch)
    best = Best(epoch=2, val_loss=0.1, val_accuracy=None, checkpoint="epoch-00002.pt")
    durable.replace_json(run.checkpoints / "best.json", best.model_dump())
    follower = follower_of(workspace, run, "/epoch-00001")
    if waits:
        end(follower, "paused", "Paused by the user while it waited in the queue.")
    assert disk.free(run).kept == ("epoch-00002.pt", "epoch-00004.pt", "epoch-00001.pt")
    follower.outcome_file.unlink(missing_ok=True)
    write_progress(follower, [])
    make_alive(follower)
    assert disk.free(run).kept == ("epoch-00002.pt", "epoch-00004.pt")


def call(workspace, *arguments):
    return json.loads(fork_server.command(*arguments, "--root", workspace.root, "--json").stdout)


def test_the_command_line(workspace):
    first, second = ended(workspace, 1), ended(workspace, 2)
    noted = call(workspace, "note", first.id, "--name", "mine", "--tag", "night", "--star", "--archive")
    assert noted["tags"] == ["night"] and noted["starred"] and noted["archived"]
    assert [row["run"] for row in call(workspace, "runs")] == [second.id]
    assert [row["label"] for row in call(workspace, "runs", "tag:night", "--archived")] == ["mine"]
    assert [row["run"] for row in call(workspace, "runs", "--archived", "-tag:night", "--sort", "f1")] == [second.id]
    assert "did you mean" in call(workspace, "runs", "modelname=x")["error"]
    assert "No such option" in call(workspace, "runs", "--archve")["error"]
    call(workspace, "trash", first.id)
    assert [row["run"] for row in call(workspace, "runs", "--trash")] == [first.id]
    assert call(workspace, "restore", first.id)["run"] == first.id
    assert call(workspace, "free-space", first.id)["files"] == []
    call(workspace, "trash", second.id)
    assert call(workspace, "empty-trash")["deleted"] == 1 and runs.all_runs(workspace) == [first]
