"""Who speaks: from folders, from names, from a table; nobody is invented."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import ignore, make_raw
from trainer.dataset import clips, speakers
from trainer.dataset.scan import scan
from trainer.dataset.speakers import Rule
from trainer.system.workspace import Workspace


def of(paths: list[str], rule: Rule, names: dict[str, str] | None = None) -> list[str]:
    return speakers.of_paths(pd.Series(paths), rule, names or {}).tolist()


def test_the_folder_below_the_label_is_the_speaker():
    paths = ["positive/anna/monday/1.wav", "negative/anna/2.wav", "positive/1.wav"]
    assert of(paths, Rule()) == ["anna", "anna", ""]


@pytest.mark.parametrize(
    ("pattern", "path", "speaker"),
    [
        ("{speaker}_nohash_*", "negative/bed/0a7c2a8d_nohash_0.wav", "0a7c2a8d"),
        ("{speaker}-*.wav", "positive/anna-1.wav", "anna"),
        ("take*-{speaker}.flac", "positive/x/take12-ben.flac", "ben"),
        ("*/{speaker}/*", "positive/room1/anna/1.wav", "anna"),
        ("{speaker}_*", "positive/noline.wav", ""),
        ("{speaker}.wav", "positive/a.b.wav", "a.b"),
        ("{speaker}+(*).wav", "positive/anna+(2).wav", "anna"),
        ("*_{speaker}_*.wav", "positive/a_b_c_d.wav", "b"),
        ("*_x{speaker}.wav", "positive/1_x2_x3.wav", "2_x3"),
    ],
)
def test_a_pattern_finds_the_speaker_in_the_name(pattern: str, path: str, speaker: str):
    assert of([path], Rule(kind="pattern", pattern=pattern)) == [speaker]


@pytest.mark.parametrize(
    "pattern", ["", "*", "{speaker}{speaker}", "*{speaker}_", "{speaker}*", "x" * 300 + "{speaker}"]
)
def test_a_pattern_that_cannot_work_says_why(pattern: str):
    with pytest.raises(ValueError, match=r"must contain \{speaker\} once|is ambiguous"):
        speakers.compiled(pattern)


@given(st.text(alphabet="ab{speaker}*/_.[](+", max_size=30), st.text(max_size=60))
def test_any_pattern_is_refused_or_works(pattern: str, name: str):
    try:
        expression = speakers.compiled(pattern)
    except ValueError:
        return
    match = expression.fullmatch(name)
    assert match is None or (match["speaker"] and match["speaker"] in name)


@pytest.mark.timeout(20)
def test_no_pattern_takes_for_ever():
    expression = speakers.compiled("*a" * 60 + "*b{speaker}c")
    assert not any(expression.fullmatch("a" * 250) for _ in range(1000))


def test_a_table_names_speakers_by_path_or_file_name():
    names = speakers.read_names("\ufeffpath,speaker\npositive/1.wav,anna\n2.wav, ben \n3.wav,\n".encode())
    rule = Rule(kind="csv")
    assert of(["positive/1.wav", "negative/1.wav", "negative/x/2.wav", "positive/3.wav"], rule, names) == [
        "anna", "", "ben", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        "positive/José 1/a b.wav", "positive/Jose\u0301 1/a b.wav", "./positive/josé 1/A B.WAV", "José 1\\a b.wav",
        "positive\\José 1\\a b.wav", "data/raw/positive/José 1/a b.wav", "/home/me/data/raw/positive/José 1/a b.wav",
        "C:\\sounds\\Positive\\José 1\\a b.wav", " positive//José 1/a b.wav ", "/elsewhere/José 1/a b.wav",
        "Positives/José 1/a b.wav", "a b.wav", "A B.wav", "a  b?.wav", "A b", "josé 1/a b", "Positive\\José 1\\a b",
    ],
)  # fmt: skip
def test_rows_of_a_table_match_however_paths_are_written(row: str):
    names = speakers.read_names(f"\ufeffPath ; Speaker\r\n{row};José\r\n".encode())
    assert of(["positive/José 1/a b.wav", "negative/x/b.wav"], Rule(kind="csv"), names) == ["José", ""]


def test_the_row_that_tells_most_of_a_path_decides():
    names = speakers.read_names("path\tspeaker\n1.wav\tany\na/1.wav\tanna\nPositive/a/1.wav\tben\n".encode("utf-16"))
    paths = ["positive/a/1.wav", "negative/a/1.wav", "negative/b/1.wav", "Positive/a/1.wav"]
    assert of(paths, Rule(kind="csv"), names) == ["ben", "anna", "any", "ben"]
    both = {"positive/A/1.wav": "anna", "positive/a/1.wav": "ben"}
    assert of(["positive/a/1.wav", "positive/A/1.wav"], Rule(kind="csv"), both) == ["ben", "anna"]


def test_rows_that_match_no_clip_are_told(tmp_path):
    workspace = Workspace(tmp_path)
    make_raw(workspace, voices=1, clips=2)
    scan(workspace, ignore)

    def told(table: str) -> list[str]:
        speakers.save_rule(workspace, Rule(kind="csv"), f"path,speaker\n{table}".encode())
        return [each for each in clips.summary(workspace, clips.load(workspace), ())["warnings"] if "speaker" in each]

    (sentence,) = told("voice0/0.wav,anna\nvoice1/0.wav,ben\nnegative/0.wav,ben\n")
    assert sentence.startswith("2 of 3 rows of the table of speakers match no clip, such as 'voice1/0.wav'.")
    (sentence,) = told("voice1/0.wav,ben\n")
    assert sentence.startswith("None of the rows of the table of speakers matches a clip")
    assert "positive/anna/1.wav" in sentence and not told("0.wav,anna\n1.wav,ben\n")
    (tmp_path / "data" / speakers.CSV_FILE).write_text("damaged")
    (sentence,) = [each for each in clips.warnings(workspace, clips.load(workspace)) if "speaker" in each]
    assert sentence.startswith("The saved speaker rule matches no clip: The table of speakers needs")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"a,b\n1,2\n", b"path,speaker\n"])
def test_a_table_that_is_none_says_what_it_needs(data: bytes):
    with pytest.raises(ValueError, match=r"table of speakers"):
        speakers.read_names(data)


def test_the_rule_that_is_kept_decides_the_groups(tmp_path):
    workspace = Workspace(tmp_path)
    make_raw(workspace, voices=2, clips=2)
    scan(workspace, ignore)
    assert set(clips.load(workspace).clips.query("label == 'positive'")["group"]) == {"voice0", "voice1"}
    speakers.save_rule(workspace, Rule(kind="csv"), b"path,speaker\n0.wav,anna\n")
    found = clips.load(workspace).clips.query("label == 'positive'")
    assert found["speaker"].tolist() == ["anna", "", "anna", ""]
    assert found["group"].tolist()[1] == "positive/voice0/1.wav", "a clip of nobody known is a group of its own"
    with pytest.raises(ValueError, match="no table of speakers"):
        speakers.save_rule(Workspace(tmp_path / "other"), Rule(kind="csv"))
    (tmp_path / "data" / speakers.FILE).write_text("{")
    assert speakers.load_rule(workspace) == Rule()
