"""Long recordings of the user's own: words from label tracks, bad files told, streams of wakebench."""

import json

import numpy as np
import pytest
import soundfile

from tests.tiny import RATE
from trainer.streams import recordings


def write(path, seconds: float = 3.0, rate: int = RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(round(seconds * rate))), rate)


def test_files_and_folders_are_taken_with_their_words(tmp_path):
    write(tmp_path / "far/kitchen.wav")
    write(tmp_path / "far/deep/night.ogg", 5.0, 44100)
    write(tmp_path / "far/.hidden/no.wav")
    write(tmp_path / "call.flac", 700.0, 8000)
    (tmp_path / "far/kitchen.txt").write_text("1.5\t2.0\tjarvis\n\\\t200\t300\n0.25\t0.75\tjarvis\n\n")
    found = recordings.gather([tmp_path / "far", tmp_path / "call.flac"])
    assert [(each.name, each.condition, len(each.words)) for each in found.recordings] == [
        ("far/deep/night.ogg", "far", 0), ("far/kitchen.wav", "far", 2), ("call.flac", "recording", 0),
    ]  # fmt: skip
    assert [(word.start, word.end) for word in found.recordings[1].words] == [(0.25, 0.75), (1.5, 2.0)]
    assert all(each.counts_false_accepts and found.path_of(each).is_file() for each in found.recordings)
    assert found.seconds == pytest.approx(708, abs=0.01) and not found.notes
    assert found.title == "3 long recordings (0.20 h, 2 words)"


def test_the_key_follows_what_is_heard_not_where_it_lies(tmp_path):
    for place in ("a/x", "b/x"):
        write(tmp_path / place / "1.wav")
    key = recordings.gather([tmp_path / "a/x"]).key
    assert recordings.gather([tmp_path / "b/x"]).key == key
    (tmp_path / "b/x/1.txt").write_text("1\t2\tword\n")
    assert recordings.gather([tmp_path / "b/x"]).key != key
    (tmp_path / "b/x/1.txt").unlink()
    both = recordings.gather([tmp_path / "a/x", tmp_path / "b/x"])
    assert [each.name for each in both.recordings] == ["x/1.wav", "x/1.wav (2)"] and both.key != key


def test_what_is_named_twice_is_heard_once(tmp_path):
    """Else its hours and its false accepts would count twice, and the rate look better known than it is."""
    write(tmp_path / "x/1.wav")
    found = recordings.gather([tmp_path, tmp_path / "x", tmp_path / "x/1.wav"])
    assert found.seconds == 3.0 and found.key == recordings.gather([tmp_path]).key


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "1.0 2.0 jarvis",
            "Line 2 of its labels in 1.txt is '1.0 2.0 jarvis', not start TAB end TAB label in seconds.",
        ),
        ("a\tb", "Line 2 of its labels in 1.txt is 'a\\tb', not start"),
        ("2\t1\tx", "Line 2 of its labels in 1.txt says 2 to 1 s, which is not a span within a recording of 3.0 s."),
        ("1\t9\tx", "says 1 to 9 s, which is not a span"),
        ("nan\tnan", "says nan to nan s"),
        ("\xff\xfe", "are not UTF-8 text"),
    ],
)
def test_a_bad_line_of_labels_is_told_by_its_number(line, sentence, tmp_path):
    write(tmp_path / "1.wav")
    write(tmp_path / "2.wav")
    (tmp_path / "1.txt").write_bytes(b"0\t1\tjarvis\n" + line.encode("latin-1") + b"\n")
    found = recordings.gather([tmp_path])
    assert [each.name.rpartition("/")[2] for each in found.recordings] == ["2.wav"]
    (note,) = found.notes
    assert note.startswith(f"{tmp_path.name}/1.wav: ") and sentence in note


def test_what_is_no_recording_is_left_out_with_one_sentence(tmp_path):
    write(tmp_path / "in/good.wav")
    (tmp_path / "in/empty.wav").touch()
    (tmp_path / "in/text.flac").write_text("no audio")
    (tmp_path / "in/link.wav").symlink_to(tmp_path / "in/good.wav")
    (tmp_path / "in/bad\udcff.wav").write_bytes((tmp_path / "in/good.wav").read_bytes())
    found = recordings.gather([tmp_path / "in"])
    assert len(found.recordings) == 1 and len(found.notes) == 4
    assert all("\n" not in note and note.endswith((".", "")) for note in found.notes)
    json.dumps(found.model_dump()).encode()
    (tmp_path / "in/good.wav").unlink()
    with pytest.raises(ValueError, match=r"None of the recordings can be read\. in/bad"):
        recordings.gather([tmp_path / "in"])
    with pytest.raises(FileNotFoundError, match=r"There is no recording or folder \S+nowhere"):
        recordings.gather([tmp_path / "nowhere"])
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="contains no recordings"):
        recordings.gather([tmp_path / "bare"])


def test_streams_of_wakebench_tell_misses_and_false_accepts_apart(tmp_path):
    for name in ("clean", "speech_00"):
        write(tmp_path / f"{name}.wav")
    words = [{"start": 1.0, "end": 1.5, "clip": "abc", "speaker": "7"}]
    truth = {"positive": {"clean": words}, "negative": {"speech": {"files": ["speech_00", "speech_01"], "hours": 0.1}}}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    found = recordings.gather([tmp_path])
    clean, speech = found.recordings
    assert (clean.condition, clean.counts_false_accepts, clean.words[0].speaker) == ("clean", False, "7")
    assert (speech.condition, speech.counts_false_accepts, speech.words) == ("speech", True, [])
    assert found.notes == [f"{tmp_path.name}/speech_01: It is missing, although truth.json lists it."]
    (tmp_path / "truth.json").write_text('{"positive": 3}')
    with pytest.raises(ValueError, match="does not list any streams"):
        recordings.gather([tmp_path])


@pytest.mark.parametrize(
    "name",
    [
        "évening.wav.txt", "évening.txt", "évening.TXT", "ÉVENING.Txt", "évening-labels.txt", "évening.labels.txt",
        "évening_labels.txt", "évening Labels.txt", "évening.WAV.txt", "e\u0301vening.txt", "évening.wav-label.txt",
    ],
)  # fmt: skip
def test_label_tracks_are_found_in_the_usual_spellings(name, tmp_path):
    write(tmp_path / "évening.wav")
    (tmp_path / name).write_text("0.2\t0.8\tword\n")
    found = recordings.gather([tmp_path])
    assert found.words == 1 and not found.notes
    assert recordings.gather([tmp_path / "évening.wav"]).words == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf0,2\t0,8\tword\r\n\\\t200,5\t300\r\n1,5\t1,5\tword, said twice\r\n",
        b"Start\tEnd\tLabel\n0.2\t0.8\tword\n\n\\\t-1\t-1\n1.5\t1.5\t\n",
        "0.2\t0.8\twört\u2028b\n1.5\t1.5\n".encode("utf-16"),
        b"0.2\t0.8\tword\r\\\t1\t2\r1.5\t1.5\r",
    ],
)
def test_label_tracks_are_read_as_programs_write_them(data, tmp_path):
    write(tmp_path / "1.wav")
    (tmp_path / "1.txt").write_bytes(data)
    (recording,) = recordings.gather([tmp_path]).recordings
    assert [(word.start, word.end) for word in recording.words] == [(0.2, 0.8), (1.5, 1.5)]


def test_text_files_that_were_not_used_are_named(tmp_path):
    for name in ("evening.wav", "night.wav"):
        write(tmp_path / "far" / name)
    for name in ("evening.txt", "evening.wav.txt", "labels.txt", "night.csv", "notes.TXT", ".hidden.txt"):
        (tmp_path / "far" / name).write_text("0.2\t0.8\tword\n")
    found = recordings.gather([tmp_path / "far"])
    assert found.words == 1 and not found.left_out
    assert found.notes == [
        "Not used: evening.wav.txt, labels.txt, night.csv, notes.TXT. A label track is a text file named like its "
        "recording, such as evening.txt beside evening.wav."
    ]
    (tmp_path / "far/a\udcff.wav").write_bytes((tmp_path / "far/night.wav").read_bytes())
    json.dumps(recordings.gather([tmp_path / "far"]).model_dump(), ensure_ascii=False).encode()
    (of_one,) = recordings.gather([tmp_path / "far/night.wav"]).notes
    assert of_one.startswith("Not used: night.csv. A label track")


def test_one_path_of_several_that_names_nothing_is_told_and_the_others_are_heard(tmp_path):
    write(tmp_path / "in/1.wav")
    (tmp_path / "bare").mkdir()
    found = recordings.gather([tmp_path / "nowhere.wav", tmp_path / "bare", tmp_path / "in"])
    assert len(found.recordings) == 1 and len(found.left_out) == 2 and found.notes == found.left_out
    assert "There is no recording or folder" in found.notes[0] and "contains no recordings" in found.notes[1]
