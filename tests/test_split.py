"""Splits that do not leak."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import ignore, make_raw
from trainer import dataset, manifest, split
from trainer.manifest import SPLITS, Clip
from trainer.workspace import Workspace

RATIOS = (0.7, 0.15, 0.15)


def clip(label: str, group: str, number: int, digest: str = "") -> Clip:
    path = f"{label}/{group}/{number}.wav"
    return Clip(path, label, group, 1.0, 16000, 1, digest or path, 1, 1)


def layout(groups: int, each: int = 4) -> list[Clip]:
    return [clip(label, f"g{g}", n) for label in ("positive", "negative") for g in range(groups) for n in range(each)]


def parts_of(splits: dict[str, list[Clip]], key: str) -> dict[str, set[str]]:
    places = defaultdict(set)
    for part, clips in splits.items():
        for one in clips:
            places[getattr(one, key)].add(part)
    return places


@pytest.mark.parametrize(
    "text", ["70/15", "70/15/16", "a/b/c", "", "-10/60/50", "100/0/0", "0/50/50", "70/15/15/0", "nan/50/50"]
)
def test_bad_ratios_are_refused(text: str):
    with pytest.raises(ValueError, match="such as 70/15/15"):
        split.parse_ratios(text)


def test_ratios_are_met_when_groups_are_small():
    splits = split.split(layout(100, 1), RATIOS, 0)
    assert [len(splits[part]) for part in SPLITS] == [140, 30, 30]


def test_the_test_split_may_be_left_out():
    splits = split.split(layout(20), split.parse_ratios("80/20/0"), 0)
    assert not splits["test"] and len(splits["train"]) == 128


def test_identical_audio_keeps_groups_together():
    clips = [*layout(10), clip("positive", "g0", 99, "twin"), clip("positive", "g1", 99, "twin")]
    splits = split.split(clips, RATIOS, 0)
    places = parts_of(splits, "group")
    assert places["g0"] == places["g1"] and all(len(parts) == 1 for parts in places.values())


def test_seed_and_clips_decide_not_their_order():
    clips = layout(12)
    assert split.split(clips, RATIOS, 1) == split.split(clips[::-1], RATIOS, 1)
    assert split.split(clips, RATIOS, 1) != split.split(clips, RATIOS, 2)


@pytest.mark.parametrize(
    ("clips", "told"),
    [
        ([clip("negative", f"g{i}", 0) for i in range(5)], "no positive clips.*data/raw/positive"),
        ([clip("positive", f"g{i}", 0) for i in range(5)], "no negative clips.*data/raw/negative"),
        ([clip("positive", "anna", i) for i in range(9)] + layout(3)[12:], "All positive clips belong to one group"),
        (layout(3)[:12] + [clip("negative", "anna", i) for i in range(9)], "All negative clips belong to one group"),
    ],
)
def test_what_cannot_be_split_says_why(clips: list[Clip], told: str):
    with pytest.raises(ValueError, match=told):
        split.split(clips, RATIOS, 0)


labels = st.sampled_from(["positive", "negative", "hard_negative", "background", "rirs"])
random_clips = st.lists(st.tuples(labels, st.integers(0, 12), st.integers(0, 40)), max_size=80, unique=True)


@given(random_clips, st.integers(0, 3))
def test_no_group_and_no_audio_lies_in_two_splits(rows, seed: int):
    extra = [clip(label, f"x{n}", n) for label in ("positive", "negative") for n in range(3)]
    clips = extra + [
        clip(label, f"g{group}", number, f"audio{number}" if number % 5 == 0 else "") for label, group, number in rows
    ]
    splits = split.split(clips, RATIOS, seed)
    assert sorted(one.path for part in splits.values() for one in part) == sorted(one.path for one in clips)
    for key in ("group", "digest"):
        assert all(len(parts) == 1 for parts in parts_of(splits, key).values())
    assert {one.label for one in splits["train"]} == {one.label for one in clips}
    assert split.describe(splits)["groups_in_two_splits"] == 0


def test_leaks_are_counted_not_assumed():
    leaking = {"train": [clip("positive", "anna", 1)], "val": [clip("positive", "anna", 2)], "test": []}
    assert split.describe(leaking)["groups_in_two_splits"] == 1


def test_a_split_is_written_and_read_back(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(FileNotFoundError, match="No scan found"):
        split.split_dataset(workspace, RATIOS, 0)
    make_raw(workspace)
    found = dataset.scan(workspace, ignore)
    document = split.split_dataset(workspace, RATIOS, 0)
    splits = manifest.read_splits(workspace)
    assert sum(map(len, splits.values())) == len(found.clips)
    assert document["groups_in_two_splits"] == 0
    assert document["train"]["positive"] == sum(one.label == "positive" for one in splits["train"])
