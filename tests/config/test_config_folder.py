"""Configurations as files: nothing is overwritten unseen, nothing is deleted for good."""

import pytest

from trainer.config import config_file, saved_configs
from trainer.config.schema import Config
from trainer.system.workspace import Workspace

OTHER = config_file.build({"training": {"epochs": 3}})


@pytest.fixture
def workspace(tmp_path):
    found = Workspace(tmp_path)
    saved_configs.save(found, "mine", Config(), saved_configs.ABSENT)
    return found


def epochs(workspace: Workspace, name: str) -> int:
    return config_file.load(workspace.configs / f"{name}.yaml").training.epochs


def test_the_second_writer_is_told_and_nothing_is_overwritten(workspace: Workspace):
    seen = saved_configs.digest(workspace, "mine")
    saved_configs.save(workspace, "mine", config_file.build({"training": {"epochs": 7}}), seen)
    with pytest.raises(ValueError, match="“mine” has changed since it was opened here"):
        saved_configs.save(workspace, "mine", OTHER, seen)
    with pytest.raises(ValueError, match="“mine” already"):
        saved_configs.save(workspace, "mine", OTHER, saved_configs.ABSENT)
    assert epochs(workspace, "mine") == 7
    saved_configs.save(workspace, "mine", OTHER, None)
    assert epochs(workspace, "mine") == 3


def test_one_that_was_deleted_elsewhere_is_saved_anew(workspace: Workspace):
    seen = saved_configs.digest(workspace, "mine")
    saved_configs.delete(workspace, "mine")
    saved_configs.save(workspace, "mine", OTHER, seen)
    assert epochs(workspace, "mine") == 3


def test_rename_and_duplicate_take_no_name_that_is_taken(workspace: Workspace):
    saved_configs.duplicate(workspace, "mine", "copy")
    assert (workspace.configs / "copy.yaml").read_bytes() == (workspace.configs / "mine.yaml").read_bytes()
    for act in (saved_configs.rename, saved_configs.duplicate):
        with pytest.raises(ValueError, match="“copy” already"):
            act(workspace, "mine", "copy")
        with pytest.raises(ValueError, match="is not a valid name"):
            act(workspace, "mine", "../x")
        with pytest.raises(FileNotFoundError, match="configuration “gone” no longer exists"):
            act(workspace, "gone", "new")
    saved_configs.rename(workspace, "mine", "yours")
    assert sorted(saved_configs.names(workspace)) == ["copy", "yours"]


def test_what_is_deleted_comes_back_and_replaces_nothing(workspace: Workspace):
    trashed = saved_configs.delete(workspace, "mine")
    assert saved_configs.names(workspace) == [] and saved_configs.trash(workspace) == [trashed]
    saved_configs.save(workspace, "mine", OTHER, saved_configs.ABSENT)
    assert saved_configs.restore(workspace, trashed) == "mine-2"
    assert epochs(workspace, "mine") == 3 and epochs(workspace, "mine-2") == Config().training.epochs
    for name in (trashed, "../mine", "20260101-000000-000000 ../../x"):
        with pytest.raises(FileNotFoundError, match="no longer in the trash"):
            saved_configs.restore(workspace, name)


def test_a_long_name_comes_back_whole(workspace: Workspace):
    name = "n" * 57 + ". " + "m" * 5
    assert config_file.NAME.fullmatch(name)
    for expected in (name, "n" * 57 + "-2"):
        saved_configs.save(workspace, name, OTHER, None)
        trashed = saved_configs.delete(workspace, name)
        assert saved_configs.free_name(workspace, name) == name
        if expected != name:
            saved_configs.save(workspace, name, OTHER, None)
        assert saved_configs.restore(workspace, trashed) == expected


def test_the_trash_holds_several_of_one_name(workspace: Workspace):
    first = saved_configs.delete(workspace, "mine")
    saved_configs.save(workspace, "mine", OTHER, saved_configs.ABSENT)
    second = saved_configs.delete(workspace, "mine")
    assert saved_configs.trash(workspace) == [second, first]
