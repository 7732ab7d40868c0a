"""Clips from elsewhere: nothing outside the label, nothing overwritten, everything undone."""

import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

from tests import fork_server
from tests.bad_audio import encoded
from tests.tiny import ignore
from trainer.dataset import archives, changes, file_names, importing
from trainer.system import zip_file
from trainer.system.workspace import Workspace

WAV = encoded()


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "workspace")
    made.raw.mkdir(parents=True)
    return made


def zip_of(path: Path, entries: dict[str, bytes], **modes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (modes.get("mode") or 0) << 16
            archive.writestr(entry, data)
    return path


def clips(workspace: Workspace) -> list[str]:
    return sorted(path.relative_to(workspace.raw).as_posix() for path in workspace.raw.rglob("*") if path.is_file())


def test_a_zip_brings_its_audio_and_says_what_was_skipped(workspace, tmp_path):
    entries = {
        "set/anna/1.wav": WAV, "set/anna/2.WAV": WAV, "set/ben/1.flac": WAV, "set/notes.txt": b"x",
        "__MACOSX/set/anna/._1.wav": WAV, "set/.hidden.wav": WAV,
    }  # fmt: skip
    made = importing.import_zip(workspace, zip_of(tmp_path / "a.zip", entries), "positive", ignore)
    assert clips(workspace) == ["positive/set/anna/1.wav", "positive/set/anna/2.WAV", "positive/set/ben/1.flac"]
    assert len(made.skipped) == 3 and (
        "Imported 3 into positive. 3 files skipped: 1 of an unsupported type (.txt), 2 hidden "
        "(__MACOSX/set/anna/._1.wav). To undo"
    ) in made.sentence()  # fmt: skip


def test_folders_named_after_labels_say_the_label(workspace, tmp_path):
    entries = {"mine/positive/anna/1.wav": WAV, "mine/background/rain.ogg": WAV, "mine/other/1.wav": WAV}
    made = importing.import_zip(workspace, zip_of(tmp_path / "a.zip", entries), "", ignore)
    assert clips(workspace) == ["background/rain.ogg", "positive/anna/1.wav"]
    assert [(each.path, each.reason) for each in made.skipped] == [("mine/other/1.wav", "no_label")]


@pytest.mark.parametrize("name", ["../../up.wav", "/etc/up.wav", "a/../../../up.wav", "..\\..\\up.wav", "C:\\up.wav"])
def test_an_archive_that_wants_out_is_refused_whole(workspace, tmp_path, name: str):
    entries = {"good.wav": WAV, name: WAV}
    with pytest.raises(ValueError, match=r"outside its folder.*nothing is imported"):
        importing.import_zip(workspace, zip_of(tmp_path / "a.zip", entries), "positive", ignore)
    assert clips(workspace) == [] and not list(tmp_path.rglob("up.wav"))
    assert not list((workspace.root / "data" / "incoming").iterdir())


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644, stat.S_IFCHR | 0o644])
def test_links_and_devices_in_an_archive_are_refused(workspace, tmp_path, mode: int):
    bad = zip_of(tmp_path / "a.zip", {"link.wav": b"/etc/passwd"}, mode=mode)
    with pytest.raises(ValueError, match="contains a link"):
        importing.import_zip(workspace, bad, "positive", ignore)


def test_bombs_are_stopped_by_what_they_write(workspace, tmp_path, monkeypatch):
    bomb = zip_of(tmp_path / "a.zip", {"zeros.wav": bytes(50_000_000)})
    with pytest.raises(ValueError, match="unpacks to over 100 times its size"):
        importing.import_zip(workspace, bomb, "positive", ignore)
    monkeypatch.setattr(archives, "MOST_BYTES", 3 * len(WAV))
    many = zip_of(tmp_path / "b.zip", {f"{n}.wav": os.urandom(len(WAV)) for n in range(4)})
    with pytest.raises(ValueError, match="unpacks to more than"):
        importing.import_zip(workspace, many, "positive", ignore)
    monkeypatch.setattr(zip_file, "MOST_ENTRIES", 3)
    with pytest.raises(ValueError, match="at most 3 are supported"):
        importing.import_zip(workspace, many, "positive", ignore)
    assert clips(workspace) == []


def test_many_small_bombs_are_stopped_by_the_size_of_the_archive(workspace, tmp_path, monkeypatch):
    many = zip_of(tmp_path / "a.zip", {f"{n}.wav": bytes(9_000_000) for n in range(3)})
    with pytest.raises(ValueError, match="unpacks to more than 20 GB, 100 times its size"):
        importing.import_zip(workspace, many, "positive", ignore)
    good = zip_of(tmp_path / "b.zip", {"a.wav": WAV})
    monkeypatch.setattr(archives, "SPARE_BYTES", 10**15)
    with pytest.raises(ValueError, match="the free disk space"):
        importing.import_zip(workspace, good, "positive", ignore)
    assert clips(workspace) == []


def lying_size(path: Path) -> Path:
    """An entry that says it is 10 bytes long and is 20 MB."""
    data = bytearray(zip_of(path, {"zeros.wav": bytes(20_000_000)}).read_bytes())
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        place = data.index(signature) + offset
        data[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    return path


def test_an_archive_that_lies_or_is_damaged_is_one_sentence(workspace, tmp_path):
    for bad in (lying_size(tmp_path / "a.zip"), tmp_path / "b.zip", tmp_path / "c.zip"):
        if bad.name == "b.zip":
            bad.write_bytes(b"PK\3\4 no archive")
        if bad.name == "c.zip":
            whole = zip_of(bad, {"1.wav": WAV}).read_bytes()
            bad.write_bytes(whole[:40] + b"\xff" * 30 + whole[70:])
        with pytest.raises(ValueError, match=r"cannot be unpacked|times its size"):
            importing.import_zip(workspace, bad, "positive", ignore)
    assert clips(workspace) == []


def test_the_same_name_twice_gets_a_number_on_any_disk(workspace, tmp_path):
    out = io.BytesIO()
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(out, "w") as archive:
        for name in ("a.wav", "a.wav", "A.WAV"):
            archive.writestr(name, WAV)
    (tmp_path / "a.zip").write_bytes(out.getvalue())
    made = importing.import_zip(workspace, tmp_path / "a.zip", "positive", ignore)
    assert clips(workspace) == ["positive/A (3).WAV", "positive/a (2).wav", "positive/a.wav"] and made.renamed == 2


def folder_of(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    for name in ("anna/1.wav", "anna/2.wav", "ben/deep/3.flac", ".git/4.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(WAV)
    (folder / "out.wav").symlink_to("/etc/hostname")
    return folder


@pytest.mark.parametrize("how", ["copy", "link"])
def test_a_folder_is_copied_or_linked_and_the_originals_stay(workspace, tmp_path, how):
    folder = folder_of(tmp_path)
    made = importing.import_folder(workspace, folder, "negative", how, ignore)
    assert clips(workspace) == ["negative/anna/1.wav", "negative/anna/2.wav", "negative/ben/deep/3.flac"]
    assert [each.path for each in made.skipped] == [".git", "out.wav"] and (folder / "anna/1.wav").read_bytes() == WAV
    same = (folder / "anna/1.wav").stat().st_ino == (workspace.raw / "negative/anna/1.wav").stat().st_ino
    assert same == (how == "link")
    changes.undo(workspace, made.change.id)
    assert clips(workspace) == [] and (folder / "anna/1.wav").read_bytes() == WAV


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("", "Enter the folder"),
        ("/nowhere/at/all", "is not a folder"),
        ("/etc", "is not inside"),
        ("~nobody/x", "is not"),
    ],
)
def test_a_folder_that_cannot_be_taken_says_why(tmp_path, folder: str, told: str):
    roots = [tmp_path] if folder == "/etc" else None
    with pytest.raises(ValueError, match=told):
        importing.check_folder(folder, roots)


def test_links_do_not_lead_out_of_the_allowed_folders(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "out").symlink_to("/etc")
    with pytest.raises(ValueError, match="is not inside"):
        importing.check_folder(str(tmp_path / "mine" / "out"), [tmp_path / "mine"])


def test_a_folder_inside_the_data_and_an_empty_one_are_refused(workspace, tmp_path):
    for folder in (workspace.raw, tmp_path):
        with pytest.raises(ValueError, match="contain each other"):
            importing.import_folder(workspace, folder, "positive", "copy", ignore)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="Nothing to import"):
        importing.import_folder(workspace, tmp_path / "empty", "positive", "copy", ignore)
    with pytest.raises(ValueError, match="choose one of positive"):
        importing.import_folder(workspace, tmp_path / "empty", "positives", "copy", ignore)


def test_a_full_disk_is_told_before_the_first_copy(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(importing, "SPARE_BYTES", 10**15)
    with pytest.raises(ValueError, match=r"Free some space, or import by link\."):
        importing.import_folder(workspace, folder_of(tmp_path), "positive", "copy", ignore)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "etc/passwd"), ("/a/b.wav", "a/b.wav"), ("a\\b.wav", "a/b.wav"),
        ("x\u202egnp.wav", "xgnp.wav"), ("new\nline\x1b[31m.wav", "newline[31m.wav"), (".hidden.wav", "hidden.wav"),
        ("-rf.wav", "rf.wav"), ("日本 🎤.wav", "日本 🎤.wav"), ("e\u0301.wav", "é.wav"),
        ("a" * 300 + ".wav", "a" * 96 + ".wav"), ("..", ""), ("con<>:|?*.wav", "con.wav"),
    ],
)  # fmt: skip
def test_names_are_made_safe(name: str, safe: str):
    assert file_names.safe_path(name) == safe


def test_labels_match_in_any_spelling_and_the_true_reason_is_told(workspace, tmp_path):
    """Of a folder and of a zip: `-.wav` keeps its ending, a folder that is no label is not called a kind of file."""
    folder = tmp_path / "capitals"
    for name in (
        "positive/ok.wav", "positive/-.wav", "Negative/n.wav", "HARD-NEGATIVES/h.wav", "Hard Negative/x/i.wav",
        "Backgrounds/b.flac", "RIRs/r.WAV", "Negatif/lost.wav", "notes.txt", "positive/cover.JPG",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(WAV)
    (folder / "positive/pipe.wav").symlink_to(folder / "positive/ok.wav")
    made = importing.import_folder(workspace, folder, "", "copy", ignore)
    wanted = [
        "background/b.flac", "hard_negative/h.wav", "hard_negative/x/i.wav", "negative/n.wav", "positive/ok.wav",
        "positive/unnamed.wav", "rirs/r.WAV",
    ]  # fmt: skip
    assert clips(workspace) == wanted
    assert {each.path: each.reason for each in made.skipped} == {
        "Negatif/lost.wav": "no_label", "notes.txt": "kind", "positive/cover.JPG": "kind", "positive/pipe.wav": "link",
    }  # fmt: skip
    sentence = made.sentence()
    assert "4 files skipped: 1 in no folder named after a label" in sentence and "(Negatif/lost.wav)" in sentence
    assert "2 of an unsupported type (.txt, .jpg), 1 a link, which is not followed" in sentence
    changes.undo(workspace, made.change.id)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    packed = zip_of(tmp_path / "a.zip", {path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    made = importing.import_zip(workspace, packed, "", ignore)
    assert clips(workspace) == wanted and len(made.skipped) == 3


def test_what_cannot_be_opened_or_is_hidden_is_told(workspace, tmp_path):
    folder = folder_of(tmp_path)
    os.mkfifo(folder / "pipe.wav")
    (folder / ".secret.wav").write_bytes(WAV)
    made = importing.import_folder(workspace, folder, "Positive", "copy", ignore)
    reasons = {each.path: each.reason for each in made.skipped}
    assert reasons == {".git": "hidden", ".secret.wav": "hidden", "out.wav": "link", "pipe.wav": "not_a_file"}
    document = importing.document(made)
    assert (
        document["skipped"] == 4
        and {"path": "out.wav", "reason": "link"}.items() <= document["skipped_files"][2].items()
    )


def test_nothing_to_import_says_why(workspace, tmp_path):
    (tmp_path / "in/Negatif").mkdir(parents=True)
    (tmp_path / "in/Negatif/1.wav").write_bytes(WAV)
    with pytest.raises(ValueError, match=r"Nothing to import: 1 file skipped: 1 in no folder named after a label"):
        importing.import_folder(workspace, tmp_path / "in", "", "copy", ignore)


def test_a_batch_goes_on_past_its_first_bad_item(workspace, tmp_path):
    """`import` of several: those that are good come in, each bad one is told, exit 2."""
    good = zip_of(tmp_path / "good.zip", {"positive/anna/1.wav": WAV, "other/2.wav": WAV})
    (tmp_path / "bad.zip").write_text("no zip")
    command = ["--root", workspace.root, "import"]
    sources = [str(tmp_path / "bad.zip"), str(good), str(tmp_path / "nowhere"), str(folder_of(tmp_path))]
    done = fork_server.command(*command, *sources, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 2 and [each["source"] for each in told] == sources, done.stderr
    assert told[1]["imported"] == {"positive": 1} and told[1]["skipped_files"][0]["reason"] == "no_label"
    assert "cannot be unpacked" in told[0]["error"] and "is not a folder" in told[2]["error"]
    assert "Nothing to import" in told[3]["error"] and len(done.stderr.splitlines()) == 3
    assert clips(workspace) == ["positive/anna/1.wav"]
    done = fork_server.command(*command, good, good)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2, done.stderr
    done = fork_server.command(*command, sources[0], "--json")
    assert done.returncode == 2 and "cannot be unpacked" in json.loads(done.stdout)["error"]


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        (["positive/" + "d/" * 2000 + "a.wav"], "nested in more than 32 folders"),
        (["positive/" + "d\\" * 2000 + "a.wav"], "nested in more than 32 folders"),
        (["positive/a.wav", "positive/a.wav/b.wav"], "is both a file and a folder"),
    ],
)
def test_an_archive_that_no_disk_holds_is_refused_before_anything_is_recorded(tmp_path, entries, told):
    workspace = Workspace(tmp_path / "workspace")
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        for name in ["positive/good.wav", *entries]:
            archive.writestr(name, b"RIFF")
    with pytest.raises(ValueError, match=told):
        importing.import_zip(workspace, tmp_path / "deep.zip", "", ignore)
    assert changes.recent(workspace) == [] and not list(workspace.raw.rglob("*.wav"))


def test_a_path_that_is_too_long_for_the_disk_is_refused_before_anything_is_recorded(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    workspace.raw.mkdir(parents=True)
    (workspace.raw / "a.wav").write_bytes(b"RIFF")
    moves = [changes.Move(source="raw/a.wav", target="raw/" + "d" * 100 + ("/" + "d" * 100) * 45)]
    with pytest.raises(ValueError, match="nested too deeply"):
        changes.apply(workspace, "deep", moves)
    assert changes.recent(workspace) == [] and (workspace.raw / "a.wav").exists()
