"""Splits that do not leak."""

import dataclasses
import shutil
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import clip_of, ignore, make_raw, write_wav
from trainer.audio import manifest
from trainer.audio.manifest import SPLITS, Clip
from trainer.dataset import clips as clips_of
from trainer.dataset import split_assignment
from trainer.dataset import splits as split_files
from trainer.dataset.scan import scan
from trainer.system.workspace import Workspace

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
        split_assignment.parse_ratios(text)


def test_ratios_are_met_when_groups_are_small():
    splits = split_assignment.split(layout(100, 1), RATIOS, 0).splits
    assert [len(splits[part]) for part in SPLITS] == [140, 30, 30]


def test_the_test_split_may_be_left_out():
    splits = split_assignment.split(layout(20), split_assignment.parse_ratios("80/20/0"), 0).splits
    assert not splits["test"] and len(splits["train"]) == 128


def test_identical_audio_keeps_groups_together():
    clips = [*layout(10), clip("positive", "g0", 99, "twin"), clip("positive", "g1", 99, "twin")]
    splits = split_assignment.split(clips, RATIOS, 0).splits
    places = parts_of(splits, "group")
    assert places["g0"] == places["g1"] and all(len(parts) == 1 for parts in places.values())


def test_seed_and_clips_decide_not_their_order():
    clips = layout(12)
    assert split_assignment.split(clips, RATIOS, 1).splits == split_assignment.split(clips[::-1], RATIOS, 1).splits
    assert split_assignment.split(clips, RATIOS, 1).splits != split_assignment.split(clips, RATIOS, 2).splits


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
        split_assignment.split(clips, RATIOS, 0)


labels = st.sampled_from(["positive", "negative", "hard_negative", "background", "rirs"])
random_clips = st.lists(st.tuples(labels, st.integers(0, 12), st.integers(0, 40)), max_size=80, unique=True)


@given(random_clips, st.integers(0, 3))
def test_no_group_and_no_audio_lies_in_two_splits(rows, seed: int):
    extra = [clip(label, f"x{n}", n) for label in ("positive", "negative") for n in range(3)]
    clips = extra + [
        clip(label, f"g{group}", number, f"audio{number}" if number % 5 == 0 else "") for label, group, number in rows
    ]
    splits = split_assignment.split(clips, RATIOS, seed).splits
    assert sorted(one.path for part in splits.values() for one in part) == sorted(one.path for one in clips)
    for key in ("group", "digest"):
        assert all(len(parts) == 1 for parts in parts_of(splits, key).values())
    assert {one.label for one in splits["train"]} == {one.label for one in clips}
    assert split_files.describe(splits)["groups_in_two_splits"] == 0


sizes = st.lists(st.integers(1, 40), min_size=2, max_size=30)


@given(st.fixed_dictionaries({"positive": sizes, "negative": sizes}, optional={"background": sizes, "rirs": sizes}),
       st.integers(0, 3))  # fmt: skip
def test_every_label_meets_the_ratios_within_one_group(layouts, seed: int):
    clips = [
        clip(label, f"{label}{group}", number)
        for label, groups in layouts.items() for group, size in enumerate(groups) for number in range(size)
    ]  # fmt: skip
    splits = split_assignment.split(clips, RATIOS, seed).splits
    for label, groups in layouts.items():
        for part, ratio in zip(SPLITS, RATIOS, strict=True):
            have = sum(one.label == label for one in splits[part])
            assert abs(have - ratio * sum(groups)) <= max(groups), (label, part, have)


@pytest.mark.parametrize(
    ("sources", "ratios", "expected"),
    [
        (1, RATIOS, {"test": 1}),
        (2, RATIOS, {"test": 1, "val": 1}),
        (3, RATIOS, {"test": 1, "val": 1, "train": 1}),
        (20, RATIOS, {"test": 8, "val": 8, "train": 4}),
        (1, (0.8, 0.2, 0.0), {"val": 1}),
        (9, (0.8, 0.2, 0.0), {"val": 6, "train": 3}),
    ],
)
def test_long_recordings_are_split_by_source_with_most_hours_for_validation_and_test(sources, ratios, expected):
    extra = [clip(label, f"x{n}", n) for label in ("positive", "negative") for n in range(20)]
    streams = [clip("stream", f"room{source}", number) for source in range(sources) for number in range(5)]
    parts = split_assignment.split([*extra, *streams], ratios, 0).splits
    counts = {part: len({one.group for one in clips if one.label == "stream"}) for part, clips in parts.items()}
    assert {part: count for part, count in counts.items() if count} == pytest.approx(expected, abs=sources > 3)
    described = split_files.describe(parts)
    assert described["groups_in_two_splits"] == 0
    missing = " ".join(split_files.missing_sentences(described))
    assert ("The validation split has no long recordings" in missing) == ("val" not in expected)


def test_a_split_is_told_in_one_line():
    described = {"train": {"positive": 1200, "negative": 5}, "val": {"positive": 3}, "test": {}}
    told = split_files.sentence(described | {"groups_in_two_splits": 0})
    assert told == "Split 1,208 clips: 1,205 to train, 3 to val, 0 to test. Groups in more than one split: 0."


def test_a_label_that_a_split_has_nothing_of_is_told():
    parts = {
        "train": [clip("positive", "anna", 1), clip("hard_negative", "computer", 1)],
        "val": [clip("positive", "ben", 1)],
        "test": [],
    }
    (told,) = split_files.missing_sentences(split_files.describe(parts))
    assert told.startswith("The validation split has no hard negatives")
    assert split_files.missing_sentences(split_files.describe({**parts, "val": []})) == []


def test_leaks_are_counted_not_assumed():
    leaking = {"train": [clip("positive", "anna", 1)], "val": [clip("positive", "anna", 2)], "test": []}
    assert split_files.describe(leaking)["groups_in_two_splits"] == 1


def test_a_split_is_written_and_read_back(tmp_path):
    workspace = Workspace(tmp_path)
    with pytest.raises(FileNotFoundError, match="No scan found"):
        split_files.split_dataset(workspace, RATIOS, 0)
    make_raw(workspace)
    found = scan(workspace, ignore)
    document = split_files.split_dataset(workspace, RATIOS, 0)
    splits = manifest.read_splits(workspace)
    assert sum(map(len, splits.values())) == len(found)
    assert document["groups_in_two_splits"] == 0
    assert document["train"]["positive"] == sum(one.label == "positive" for one in splits["train"])


def test_new_clips_move_none_that_were_assigned(tmp_path):
    workspace = Workspace(tmp_path)
    make_raw(workspace, voices=6)
    scan(workspace, ignore)
    split_files.split_dataset(workspace, RATIOS, 0)
    before = {one.path: part for part, clips in manifest.read_splits(workspace).items() for one in clips}
    make_raw(workspace, voices=14)
    scan(workspace, ignore)
    document = split_files.split_dataset(workspace, RATIOS, 0)
    after = {one.path: part for part, clips in manifest.read_splits(workspace).items() for one in clips}
    assert len(after) == len(before) + 48 and all(after[path] == part for path, part in before.items())
    assert document["groups_in_two_splits"] == 0 and document["left_out"] == []
    split_files.split_dataset(workspace, RATIOS, 1)
    assert split_files.facts(workspace).seed == 1, "another seed shares all out anew"
    assert [facts.seed for facts in split_files.versions(workspace)].count(0) == 2


@given(random_clips, random_clips, st.integers(0, 3))
def test_added_clips_never_move_others_and_never_leak(rows, added, seed: int):
    extra = [clip(label, f"x{n}", n) for label in ("positive", "negative") for n in range(3)]
    first, more = ([clip(label, f"{name}{group}", number, f"audio{number}" if number % 5 == 0 else "")
                    for label, group, number in found] for name, found in (("g", rows), ("h", added)))  # fmt: skip
    before = split_assignment.split(extra + first, RATIOS, seed).splits
    assigned = {one.path: part for part, clips in before.items() for one in clips}
    shared = split_assignment.split(extra + first + more, RATIOS, seed, assigned)
    placed = {one.path: part for part, clips in shared.splits.items() for one in clips}
    assert all(placed[path] == part for path, part in assigned.items())
    assert len(placed) + len(shared.left_out) == len({one.path for one in extra + first + more})
    assert split_files.describe(shared.splits)["groups_in_two_splits"] == 0


def test_a_clip_that_would_join_two_splits_is_left_out():
    first = split_assignment.split(layout(8), RATIOS, 0).splits
    train, val = first["train"][0], first["val"][0]
    assigned = {one.path: part for part, clips in first.items() for one in clips}
    bridge = clip("positive", train.group, 99, val.digest)
    assert split_assignment.split([*layout(8), bridge], RATIOS, 0, assigned).left_out == [bridge]


def test_speakers_known_anew_ask_for_a_split_from_scratch():
    first = split_assignment.split(layout(8), RATIOS, 0).splits
    assigned = {one.path: part for part, clips in first.items() for one in clips}
    one_speaker = [dataclasses.replace(one, group="anna") for one in layout(8)]
    with pytest.raises(ValueError, match="Split from scratch"):
        split_assignment.split(one_speaker, RATIOS, 0, assigned)


def frame_of(rows: list[tuple[str, str, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["path", "speaker", "near"]).assign(label="positive")


def test_near_duplicates_tie_clips_of_nobody_known_and_no_others():
    rows = [(f"positive/{n}.wav", "", -1) for n in range(40)]
    rows += [("positive/a.wav", "", 40), ("positive/b.wav", "", 40), ("positive/anna/c.wav", "anna", 40)]
    assert clips_of.near_sets(frame_of(rows)) == {"positive/a.wav": 40, "positive/b.wav": 40}
    kind = [(f"positive/tone{n}.wav", "", 50) for n in range(30)]
    assert len(clips_of.near_sets(frame_of(rows + kind))) == 2, "thirty alike are a kind of sound, not copies"


def test_copies_of_a_recording_stay_in_one_split():
    flat = [dataclasses.replace(one, group=one.path) for one in layout(20, 3)]
    pairs = {one.path: number // 2 for number, one in enumerate(sorted(flat, key=lambda one: one.path))}
    shared = split_assignment.split(flat, RATIOS, 0, alike=pairs)
    assert split_files.describe(shared.splits, pairs)["near_in_two_splits"] == 0
    assert split_files.describe(split_assignment.split(flat, RATIOS, 0).splits, pairs)["near_in_two_splits"] > 0


def own_voice(root, speakers: dict[str, dict[str, int]]) -> Workspace:
    """A scanned workspace with so many clips by label and speaker."""
    workspace, rng = Workspace(root), np.random.default_rng(0)
    for label, counts in speakers.items():
        for speaker, count in counts.items():
            for number in range(count):
                hertz = rng.uniform(500, 700) if label == "positive" else rng.uniform(900, 3000)
                write_wav(workspace.raw / label / speaker / f"{number}.wav", clip_of(rng, hertz))
    scan(workspace, ignore)
    return workspace


def test_positives_of_one_speaker_are_split_by_recording_and_it_is_told(tmp_path):
    others = {f"other{number}": 4 for number in range(6)}
    workspace = own_voice(tmp_path, {"positive": {"me": 20}, "negative": {"me": 3, **others}})
    told = split_files.split_dataset(workspace, RATIOS, 0)
    assert {part: told[part]["positive"] for part in SPLITS} == {"train": 14, "val": 3, "test": 3}
    assert told["by_recording"] == {"positive": ["me"]} and told["groups_in_two_splits"] == 0
    assert told["without_speaker"] == 0, "who speaks is known"
    (warning,) = split_files.warnings(told)
    assert warning == (
        "All positives are from one speaker (me). They are split by recording, so validation and test measure only "
        "this voice. To measure other people, add positives from other speakers."
    )
    assert split_files.facts(workspace).by_recording == {"positive": ["me"]}
    assert split_files.voice_sentences(workspace) == [warning] and split_files.versions(workspace)[0].by_recording
    write_wav(workspace.raw / "positive/me/new.wav", clip_of(np.random.default_rng(9), 600))
    scan(workspace, ignore)
    more = split_files.split_dataset(workspace, RATIOS, 0)
    assert sum(more[part]["positive"] for part in SPLITS) == 21 and more["by_recording"] == told["by_recording"]


@pytest.mark.parametrize(
    ("speakers", "by_recording"),
    [
        ({"positive": {"a": 10, "b": 10}, "negative": {f"n{n}": 3 for n in range(5)}}, {"positive": ["a", "b"]}),
        ({"positive": {"a": 36, "b": 2, "c": 2}, "negative": {f"n{n}": 3 for n in range(5)}}, {}),
        ({"positive": {f"p{n}": 3 for n in range(5)}, "negative": {"tv": 20}}, {"negative": ["tv"]}),
        ({"positive": {"me": 6}, "negative": {"me": 6}}, {"positive": ["me"], "negative": ["me"]}),
        (
            {"positive": {"me": 5}, "negative": {"me": 5}, "hard_negative": {"me": 5}},
            {"positive": ["me"], "negative": ["me"], "hard_negative": ["me"]},
        ),
        (
            {"positive": {f"p{n}": 3 for n in range(6)}, "negative": {f"n{n}": 3 for n in range(4)},
             "hard_negative": {"me": 6}}, {},
        ),
    ],
)  # fmt: skip
def test_few_speakers_of_any_label_can_be_split(tmp_path, speakers, by_recording):
    told = split_files.split_dataset(own_voice(tmp_path, speakers), RATIOS, 0)
    assert told["by_recording"] == by_recording and told["groups_in_two_splits"] == 0
    for label in by_recording:
        assert all(told[part].get(label) for part in SPLITS), told
    assert len(split_files.warnings(told)) >= len(by_recording)


def test_recordings_of_one_voice_that_are_copies_stay_in_one_split(tmp_path):
    workspace = own_voice(tmp_path, {"positive": {"me": 12}, "negative": {f"n{n}": 3 for n in range(5)}})
    for number in range(6):
        shutil.copy(workspace.raw / f"positive/me/{number}.wav", workspace.raw / f"positive/me/copy{number}.wav")
    scan(workspace, ignore)
    split_files.split_dataset(workspace, RATIOS, 0)
    digests = parts_of(manifest.read_splits(workspace), "digest")
    assert all(len(parts) == 1 for parts in digests.values())


def test_one_recording_cannot_be_split_and_the_sentence_says_what_can(tmp_path):
    workspace = own_voice(tmp_path, {"positive": {"me": 1}, "negative": {f"n{n}": 3 for n in range(5)}})
    with pytest.raises(ValueError, match=r"they are one recording, or copies .* at least three"):
        split_files.split_dataset(workspace, RATIOS, 0)


def test_what_a_model_chose_from_a_recording_is_for_training(tmp_path):
    speakers = {f"n{n}": 3 for n in range(5)}
    streams = {"selected-den": 9, "kitchen": 3, "evening": 3}
    workspace = own_voice(tmp_path, {"positive": speakers, "negative": speakers, "stream": streams})
    split_files.split_dataset(workspace, RATIOS, 0)
    for part, clips in manifest.read_splits(workspace).items():
        sources = {one.path.split("/")[1] for one in clips if one.label == "stream"}
        assert ("selected-den" in sources) == (part == "train"), part
