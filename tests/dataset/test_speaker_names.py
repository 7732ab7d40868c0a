"""Speakers in file names: found where there are any, offered once, and nobody is invented."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.test_command_line import answer, refused
from tests.dataset.test_dataset import RECORDINGS, needs_recordings
from tests.tiny import clip_of, ignore, write_wav
from trainer.dataset import changes, clips, repairs, speaker_names, speakers
from trainer.dataset.scan import scan
from trainer.evaluation import wrong_labels
from trainer.system.workspace import Workspace


def numbered(*stems: str, count: int = 3, suffix: str = ".wav") -> list[str]:
    return [f"{stem.format(number)}{suffix}" for stem in stems for number in range(1, count + 1)]


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (numbered("anna_{:02}", "ben_{:02}", "carla_{:02}"), "{speaker}_*"),
        (numbered("spk12-{:03}", "spk7-{:03}", "spk30-{:03}"), "{speaker}-*"),
        (numbered("Anna {}", "Ben {}", "Carla {}", suffix=".m4a"), "{speaker} *"),
        (numbered("hey_atlas_anna_{}", "hey_atlas_ben_{}", "hey_atlas_carla_{}"), "hey_atlas_{speaker}_*"),
        (numbered("{}-anna", "{}-ben", "{}-carla", suffix=".flac"), "*-{speaker}.*"),
        (numbered("speaker_1_{}", "speaker_2_{}", "speaker_10_{}"), "speaker_{speaker}_*"),
        (numbered("user-4.take{}", "user-5.take{}", "user-6.take{}"), ""),
        ([f"{a}_nohash_{n}.wav" for a in ("8a28231e", "0a7c2a8d", "bd8f00aa", "00176480") for n in (0, 1)],
         "{speaker}_nohash_*"),
        (numbered("1088-134315-{:04}", "84-121123-{:04}", "251-136532-{:04}"), "{speaker}-*-*"),
        (numbered("p225_{:03}", "p226_{:03}", "p330_{:03}"), "{speaker}_*"),
    ],
)  # fmt: skip
def test_a_part_that_says_who_speaks_becomes_a_pattern(names, pattern):
    assert speaker_names.pattern_of(names) == pattern


@pytest.mark.parametrize(
    "names",
    [
        numbered("clip_{:02}", count=12),
        numbered("recording_{:02}", count=12),
        numbered("hey_atlas_{}", count=12),
        numbered("Recording ({})", count=12),
        numbered("Voice 00{}", count=9),
        numbered("2024-01-0{} 10-11-12", count=9),
        numbered("20240101_1200{}", "20240102_1300{}", "20240103_1400{}", count=5),
        numbered("PTT-20240102-WA000{}", count=9),
        numbered("common_voice_en_1234{}", count=12),
        numbered("take1_{}", "take2_{}", "take3_{}"),
        numbered("01_{}", "02_{}", "03_{}"),
        numbered("quiet_{}", "noisy_{}", "far_{}"),
        numbered("kitchen_{}", "office_{}", "car_{}"),
        numbered("monday_{}", "tuesday_{}", "friday_{}"),
        numbered("train_{}", "val_{}", "test_{}"),
        numbered("male_{}", "female_{}", "child_{}"),
        numbered("anna_{}", count=12),
        numbered("anna_{}", "ben_{}"),
        numbered("anna_{}", "ben_{}", "carla_{}", count=1),
        numbered("anna_red_{}", "ben_green_{}", "carla_blue_{}"),
        [f"{name}.wav" for name in ("008a6329-b20c-4cfc-9ad4-9e7034bc5148", "00a97647-55b9-4f62-be20-8e4b0ee510b0")]
        * 6,
        [*numbered("anna_{}", "ben_{}", "carla_{}"), *numbered("x{}", count=3)],
        ["1.wav"],
        [],
    ],
)
def test_a_number_a_time_a_place_or_a_word_is_nobody(names):
    assert speaker_names.pattern_of(names) == ""


def table(*paths: str) -> pd.DataFrame:
    """Clips as scanned, with speakers by folder."""
    named = speakers.of_paths(pd.Series(paths), speakers.Rule(), {})
    return pd.DataFrame({"path": paths, "label": [path.split("/")[0] for path in paths], "speaker": named})


ANNA_BEN_CARLA = [f"positive/{name}" for name in numbered("anna_{}", "ben_{}", "carla_{}")]


def test_known_folders_and_synthetic_voices_are_kept():
    proposal = speaker_names.propose(table(*ANNA_BEN_CARLA, "negative/demo-en-1/00 bush.wav", "negative/dora/1.wav"))
    assert proposal.count == 3 and len(proposal.named) == 9
    assert proposal.examples() == "anna_1.wav is by anna, ben_1.wav is by ben, carla_1.wav is by carla"
    after = speakers.of_paths(pd.Series(["positive/ben_2.wav", "negative/dora/1.wav"]), proposal.rule, {})
    assert after.tolist() == ["ben", "dora"]


def test_a_folder_that_holds_everyone_does_not_hide_them():
    within = [path.replace("/", "/takes/") for path in ANNA_BEN_CARLA]
    proposal = speaker_names.propose(table(*within))
    assert (proposal.rule.pattern, proposal.count) == ("*/{speaker}_*", 3)
    folders = [
        f"positive/{who}/{name}" for who in ("dora", "emil", "fred") for name in numbered("anna_{}", "ben_{}", "x_{}")
    ]
    assert speaker_names.propose(table(*folders)) is None, "the folders are speakers"


def test_words_in_the_names_of_negatives_are_no_speakers():
    words = [f"negative/{name}" for name in numbered("bed_{}", "bird_{}", "seven_{}")]
    assert speaker_names.propose(table(*ANNA_BEN_CARLA, *words)) is None
    assert speaker_names.propose(table(*words)) is None
    numbers = [f"negative/{name}" for name in numbered("spk1_{}", "spk2_{}", "spk3_{}")]
    assert speaker_names.propose(table(*numbers)).count == 3
    shared = [path.replace("positive", "negative") for path in ANNA_BEN_CARLA]
    assert len(speaker_names.propose(table(*ANNA_BEN_CARLA, *shared)).named) == 18


def test_another_rule_is_left_alone():
    named = table(*ANNA_BEN_CARLA, "positive/x.wav").assign(speaker="somebody")
    assert speaker_names.propose(named) is None


def manifest(folder: str) -> list[dict[str, str]]:
    return list(csv.DictReader((RECORDINGS / folder / "MANIFEST.csv").read_text().splitlines()))


@needs_recordings
def test_the_names_of_real_recordings_tell_what_their_list_tells():
    rows = manifest("dev")
    known = {f"negative/{row['file'].removeprefix('other_words/')}": row["speaker"]
             for row in rows if row["file"].startswith("other_words/")}  # fmt: skip
    proposal = speaker_names.propose(table(*known))
    assert proposal.named == known and len(known) == 800
    for word in ("jarvis", "computer", "alexa"):
        unnamed = [f"positive/{Path(row['file']).name}" for row in rows if row["file"].startswith(f"wake/{word}/")]
        assert len(unnamed) > 300 and speaker_names.propose(table(*unnamed)) is None, "they carry no speakers"
    speech = [f"negative/{Path(row['file']).name}" for row in rows if row["file"].startswith("other_speech/")]
    assert speaker_names.propose(table(*speech)) is None
    flat = {f"negative/{Path(row['file']).name}": row["speaker"] for row in manifest("fa_dev")}
    assert speaker_names.propose(table(*flat)).named == flat


def test_an_offer_is_used_on_request_and_can_be_undone(tmp_path):
    workspace, rng = Workspace(tmp_path), np.random.default_rng(0)
    for path in (*ANNA_BEN_CARLA, "negative/1.wav", "negative/2.wav", "negative/3.wav"):
        write_wav(workspace.raw / path, clip_of(rng, rng.uniform(500, 1500)))
    scan(workspace, ignore)

    def found() -> list[str]:
        return [each.code for each in wrong_labels.health(workspace, clips.load(workspace).clips)]

    def known() -> int:
        return clips.load(workspace).clips["speaker"].ne("").sum()

    assert speaker_names.CODE in found() and known() == 0
    change = answer(workspace, "mend", speaker_names.CODE)["change"]
    assert known() == 9 and speaker_names.CODE not in found()
    assert "No speakers were found" in refused(workspace, "mend", speaker_names.CODE)
    assert changes.read(workspace, change).title == "3 speakers taken from file names"
    answer(workspace, "undo", change)
    assert known() == 0 and speaker_names.CODE in found()
    speakers.save_rule(workspace, speakers.Rule())
    again = repairs.mend(workspace, speaker_names.CODE, ignore)
    changes.undo(workspace, again.id)
    assert (tmp_path / "data" / speakers.FILE).exists() and known() == 0, "the earlier rule is back"


def test_numbered_noise_and_rooms_are_nobody():
    others = [f"{label}/{name}" for label in ("background", "rirs", "stream") for name in numbered("noise_{}")]
    proposal = speaker_names.propose(table(*ANNA_BEN_CARLA, *others))
    after = speakers.of_paths(pd.Series([*ANNA_BEN_CARLA, *others, "stream/radio/radio_1.wav"]), proposal.rule, {})
    assert set(after[: len(ANNA_BEN_CARLA)]) == {"anna", "ben", "carla"}
    assert set(after[len(ANNA_BEN_CARLA) : -1]) == {""} and after.iloc[-1] == "radio"
