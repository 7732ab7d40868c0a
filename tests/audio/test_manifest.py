"""Manifests: a round trip of any name, and the truth about what is on disk."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import make_workspace
from trainer.audio import manifest
from trainer.audio.manifest import Clip
from trainer.system.workspace import Workspace

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


@given(
    st.lists(
        st.builds(
            Clip,
            names,
            names,
            names,
            st.floats(0, 600),
            *[st.integers(0, 2**60)] * 2,
            names,
            *[st.integers(0, 2**60)] * 2,
        ),
        max_size=3,
    )
)
def test_any_clip_reads_back_as_it_was(tmp_path_factory, clips: list[Clip]):
    workspace = Workspace(tmp_path_factory.getbasetemp())
    manifest.write_split(workspace, "train", clips)
    assert manifest.read_split(workspace, "train") == clips


def test_good_splits_have_no_problems(workspace):
    assert manifest.problems(workspace, manifest.read_splits(workspace)) == []


def test_missing_and_changed_clips_are_named_and_counted(workspace):
    splits = manifest.read_splits(workspace)
    first, second, third, *rest = splits["train"]
    moved = [
        replace(first, path="positive/gone.wav"),
        replace(second, path="positive/gone2.wav"),
        replace(third, size=1),
    ]
    missing, changed = manifest.problems(workspace, splits | {"train": moved + rest})
    assert missing == "Clip positive/gone.wav and 1 more are missing on disk. Scan and split again on the Dataset page."
    assert changed == f"Clip {third.path} is changed on disk. Scan and split again on the Dataset page."


def test_splits_without_words_or_without_others_are_told(workspace):
    splits = manifest.read_splits(workspace)
    only = {part: [one for one in clips if one.label == "positive"] for part, clips in splits.items()}
    assert "The val split contains no negative clips." in " ".join(manifest.problems(workspace, only))


def test_absent_splits_say_where_to_go(tmp_path):
    for read in (manifest.read_splits, manifest.fingerprint):
        with pytest.raises(
            FileNotFoundError, match=r"^Dataset splits not found\. Scan and split on the Dataset page first\.$"
        ):
            read(Workspace(tmp_path))


@pytest.mark.parametrize(
    "damage",
    [
        "path,label\nx,y\n",
        "path,label,group,seconds,sample_rate,channels,digest,size,mtime_ns\na,b,c,long,1,1,d,1,1\n",
        "\0\0\n\0",
    ],
)
def test_a_damaged_manifest_is_named_with_its_line(tmp_path, damage: str):
    workspace = Workspace(tmp_path)
    workspace.splits.mkdir(parents=True)
    (workspace.splits / "train.csv").write_text(damage)
    with pytest.raises(ValueError, match=r"train\.csv is corrupt in line"):
        manifest.read_split(workspace, "train")


def test_the_fingerprint_changes_with_the_splits(workspace):
    before = manifest.fingerprint(workspace)
    assert manifest.fingerprint(workspace) == before
    path = manifest.split_file(workspace, "test")
    data = path.read_bytes()
    path.write_bytes(data + b"\n")
    assert manifest.fingerprint(workspace) != before
    path.write_bytes(data)
    assert manifest.fingerprint(workspace) == before
