"""A run as one file: what goes in comes out elsewhere, and a stranger's file does no harm."""

import hashlib
import io
import json
import os
import re
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from tests import fork_server
from tests.run_folders import end, make_alive, make_run, workspace_at
from tests.tiny import ignore
from trainer.run import archive, runs
from trainer.run.archive import MANIFEST
from trainer.run.documents import Processes
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace

ELSEWHERE = {"host": "another-machine", "boot_id": "another-boot"}


@pytest.fixture
def here(tmp_path) -> Workspace:
    return workspace_at(tmp_path / "here")


@pytest.fixture
def there(tmp_path) -> Workspace:
    return workspace_at(tmp_path / "there")


def made_elsewhere(run: Run) -> None:
    """Let the run look as if another machine had trained it."""
    found = durable.read_document(Processes, run.process_file)
    identity = found.supervisor.model_copy(update=ELSEWHERE)
    document = found.model_copy(update={**ELSEWHERE, "supervisor": identity, "trainer": identity})
    durable.replace_json(run.process_file, document.model_dump())


def ended_run(workspace: Workspace, state: str = "completed") -> Run:
    run = make_run(workspace, label="gut gemacht")
    end(run, state, "All done.")
    made_elsewhere(run)
    (run.checkpoints).mkdir()
    (run.checkpoints / "epoch-00003.pt").write_bytes(bytes(range(256)) * 20_000)
    (run.folder / "evaluation" / "a b ü").mkdir(parents=True)
    (run.folder / "evaluation" / "a b ü" / "notes.txt").write_text("heard")
    return run


def contents(folder: Path) -> dict[str, tuple[bytes, float]]:
    """Bytes and time of change of every file."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime) for path in found}


def packed(run: Run, target: Path) -> Path:
    return archive.pack(run, target, ignore)


def unpacked(workspace: Workspace, file: Path) -> archive.Unpacked:
    with open(file, "rb") as data:
        return archive.unpack(workspace, data, ignore)


def altered(file: Path, changes: dict[str, bytes], drop: str = "", **manifest: object) -> Path:
    """The archive with entries put in or taken out, and its manifest as it would be if that were right."""
    out = file.with_name("altered.zip")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        document = json.loads(source.read(MANIFEST)) | manifest
        entries = {name: source.read(name) for name in source.namelist() if name != MANIFEST and name != drop}
        for name, data in (entries | changes).items():
            target.writestr(name, data)
            about = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "changed": 0}
            document["files"][name.removeprefix(f"{document['id']}/")] = about
        document["files"].pop(drop.partition("/")[2], None)
        target.writestr(MANIFEST, json.dumps(document))
    return out


def test_a_run_comes_out_as_it_went_in(here, there, tmp_path):
    """Its bytes and times, without locks, links, the reserve and what was half-written."""
    run = ended_run(here)
    expected = contents(run.folder)
    (tmp_path / "secret").write_text("of the machine")
    for name in (".control.lock", "reserve", "progress.json.tmp.1.ab", "checkpoints/epoch-00004.pt.tmp.1.ab"):
        (run.folder / name).write_bytes(b"not carried")
    (run.folder / "link").symlink_to(tmp_path / "secret")
    (run.folder / "linked").symlink_to(tmp_path)
    taken = unpacked(there, packed(run, tmp_path / "run.zip"))
    assert taken.run.id == taken.packed_id == run.id and contents(taken.run.folder) == expected
    status = runs.status(taken.run)
    assert (status.state, status.label, status.outcome.reason) == ("completed", "gut gemacht", "All done.")
    assert [path.name for path in there.runs.iterdir() if not path.name.startswith(".")] == [run.id]
    with zipfile.ZipFile(tmp_path / "run.zip") as zipped:  # unpacked by hand it is the folder of the run too
        zipped.extractall(tmp_path / "by hand")
    assert {name: data for name, (data, _) in contents(tmp_path / "by hand" / run.id).items()} == {
        name: data for name, (data, _) in expected.items()
    }


def test_a_file_of_another_century_is_packed(here, there, tmp_path):
    run = ended_run(here)
    os.utime(run.log_file, (5e9, 5e9))
    os.utime(run.metrics_file, (-5, -5))
    taken = unpacked(there, packed(run, tmp_path / "run.zip"))
    times = taken.run.log_file.stat().st_mtime, taken.run.metrics_file.stat().st_mtime
    assert times == (archive.LATEST_SECONDS, 0)


def with_central(data: bytes, offset: int, value: bytes) -> bytes:
    """The zip with some bytes of the first entry of its directory changed."""
    place = data.index(b"PK\x01\x02") + offset
    return data[:place] + value + data[place + len(value) :]


BROKEN = {
    "outside its folder (''": lambda data: with_central(data, 46, b"\0"),
    "unsupported compression": lambda data: with_central(data, 10, b"\x0e\0"),  # LZMA
    "no text": lambda data: with_central(with_central(data, 9, b"\x08"), 46, b"\xff"),
    "its own beginning": lambda data: data[:-6] + (1 << 31).to_bytes(4, "little") + data[-2:],
}


@pytest.mark.parametrize("told", BROKEN)
def test_a_zip_that_is_broken_is_refused_in_a_sentence(here, there, tmp_path, told):
    data = BROKEN[told](packed(ended_run(here), tmp_path / "run.zip").read_bytes())
    wanted = told if "(" in told or told == "unsupported compression" else "cannot be unpacked"
    with pytest.raises(ValueError, match=re.escape(wanted)):
        archive.unpack(there, io.BytesIO(data), ignore)
    assert runs.all_runs(there) == []


@pytest.mark.parametrize("state", ["stopped", "paused", "failed"])
def test_a_run_is_shown_as_it_ended(here, there, tmp_path, state):
    taken = unpacked(there, packed(ended_run(here, state), tmp_path / "run.zip"))
    assert runs.status(taken.run).state == state


def test_a_run_that_was_lost_a_moment_ago_elsewhere_does_not_seem_to_run(here, there, tmp_path):
    run = make_run(here)
    file = packed(run, tmp_path / "run.zip")
    found = json.loads(run.process_file.read_text())
    away = json.dumps({**found, **ELSEWHERE, "supervisor": found["supervisor"] | ELSEWHERE, "trainer": None}).encode()
    taken = unpacked(there, altered(file, {f"{run.id}/process.json": away}))
    assert runs.status(taken.run).state == "lost"


def test_an_id_that_is_taken_gets_another_and_that_is_said(here, tmp_path):
    run = ended_run(here)
    before = contents(run.folder)
    taken = unpacked(here, packed(run, tmp_path / "run.zip"))
    assert taken.packed_id == run.id != taken.run.id and taken.run.id[:15] == run.id[:15]
    assert contents(taken.run.folder) == before == contents(run.folder) and runs.by_id(here, taken.run.id)
    assert f"is run {taken.run.id}." in archive.sentence(taken)


def test_an_active_run_is_not_packed_and_what_is_no_run_neither(here, tmp_path):
    run = make_run(here)
    make_alive(run)
    with pytest.raises(ValueError, match=r"is running\. Pause or stop it first"):
        packed(run, tmp_path / "run.zip")
    broken = ended_run(here.__class__(tmp_path / "other"))
    broken.request_file.write_text("{")
    with pytest.raises(ValueError, match=r"cannot be read as a run\. Copy the folder by hand\.$"):
        packed(broken, tmp_path / "run.zip")
    assert not list(tmp_path.glob("run.zip*"))


NAMES = {
    "../outside": "contains a path outside its folder",
    "/outside": "contains a path outside its folder",
    "{id}/../../outside": "contains a path outside its folder",
    "{id}//tmp/outside": "a file that does not belong to a run",
    "{id}/a//b": "a file that does not belong to a run",
    "{id}/.control.lock": "a file that does not belong to a run",
    "{id}/C:outside": "whose name some systems do not allow",
    "{id}/config.yaml/under": "two files named",
}


@pytest.mark.parametrize("name", NAMES)
def test_no_file_leaves_the_folder(here, there, tmp_path, name):
    run = ended_run(here)
    file = altered(packed(run, tmp_path / "run.zip"), {name.format(id=run.id): b"evil"})
    refused(there, file, NAMES[name])
    assert not list(tmp_path.rglob("*outside*"))


UNPORTABLE = (
    "CON", "nul.txt", "evaluation/COM1.json", "lpt9", "evaluation/aux.", "ends.", "ends ", "evaluation /a", "a<b",
    "a|b", 'a"b', "a?b", "a\x1fb", "a\u202eb", "x" * 250, "/".join(["d" * 90] * 15),
)  # fmt: skip


@pytest.mark.parametrize("name", UNPORTABLE, ids=ascii)
def test_a_name_that_other_systems_cannot_hold_is_neither_packed_nor_taken(here, there, tmp_path, name):
    run = ended_run(here)
    file = altered(packed(run, tmp_path / "run.zip"), {f"{run.id}/{name}": b"odd"})
    refused(there, file, r"whose name some systems do not allow: '.{3}")
    (run.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (run.folder / name).write_bytes(b"odd")
    assert unpacked(there, packed(run, tmp_path / "again.zip")).run.id == run.id
    assert archive.left_out(run) == [name]


@pytest.mark.parametrize(
    "pair",
    [("Notes.txt", "notes.TXT"), ("a/One.txt", "A/two.txt"), ("caf\u00e9", "cafe\u0301"), ("stra\u00dfe", "STRASSE")],
)
def test_names_that_are_one_elsewhere_are_neither_packed_nor_taken(here, there, tmp_path, pair):
    run = ended_run(here)
    file = altered(packed(run, tmp_path / "run.zip"), {f"{run.id}/{name}": b"odd" for name in pair})
    refused(there, file, "two files with the same name on some systems")
    for name in pair:
        (run.folder / name).parent.mkdir(exist_ok=True)
        (run.folder / name).write_bytes(b"odd")
    assert unpacked(there, packed(run, tmp_path / "again.zip")).run.id == run.id
    assert len(archive.left_out(run)) == 1 and archive.left_out(run)[0] in pair


def test_a_zip_of_two_thousand_folders_is_refused(there, tmp_path):
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as zipped:
        zipped.writestr("d/" * 2000 + "a.wav", b"RIFF")
    refused(there, tmp_path / "deep.zip", "nested in more than 32 folders")


def refused(workspace: Workspace, file: Path, match: str) -> None:
    """The file is refused with a sentence, and nothing of it is left."""
    with pytest.raises(ValueError, match=match):
        unpacked(workspace, file)
    assert runs.all_runs(workspace) == [] and not (workspace.runs / ".incoming").exists()


def test_links_and_files_that_are_there_twice_are_refused(here, there, tmp_path):
    run = ended_run(here)
    file = packed(run, tmp_path / "run.zip")
    link = zipfile.ZipInfo(f"{run.id}/model")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for entry, match in ((link, "contains a link"), (zipfile.ZipInfo(f"{run.id}/config.yaml"), "a file twice")):
        other = tmp_path / "other.zip"
        shutil.copy(file, other)
        with zipfile.ZipFile(other, "a") as zipped, pytest.MonkeyPatch.context() as patch:
            patch.setattr("warnings.warn", lambda *given, **named: None)
            zipped.writestr(entry, "/etc/passwd")
        refused(there, other, match)


def test_what_is_no_run_is_refused(here, there, tmp_path):
    run = ended_run(here)
    file = packed(run, tmp_path / "run.zip")
    (tmp_path / "text.zip").write_text("hello")
    refused(there, tmp_path / "text.zip", "cannot be unpacked")
    with zipfile.ZipFile(tmp_path / "clips.zip", "w") as zipped:
        zipped.writestr("one.wav", b"RIFF")
    refused(
        there, tmp_path / "clips.zip", r"not a packed run of Wakeword Studio \(it does not contain wakeword-run.json\)"
    )
    refused(there, altered(file, {}, version=2), "not a packed run of Wakeword Studio")
    refused(there, altered(file, {}, id="../../evil"), "is not an id")
    refused(there, altered(file, {f"{run.id}/request.json": b"{}"}), "request.json or config.yaml is not that of a run")
    refused(there, altered(file, {}, drop=f"{run.id}/config.yaml"), "request.json or config.yaml is not that of a run")


def test_bytes_that_are_others_and_bombs_are_refused(here, there, tmp_path, monkeypatch):
    run = ended_run(here)
    file = packed(run, tmp_path / "run.zip")
    damaged = bytearray(file.read_bytes())
    damaged[damaged.index(bytes(range(256))) + 77] ^= 1
    (tmp_path / "damaged.zip").write_bytes(damaged)
    refused(there, tmp_path / "damaged.zip", "Bad CRC-32|in the archive is damaged")
    (tmp_path / "half.zip").write_bytes(file.read_bytes()[:100_000])
    refused(there, tmp_path / "half.zip", "cannot be unpacked")
    refused(there, altered(file, {f"{run.id}/train.log": bytes(50_000_000)}), "unpacks to over 100 times its size")
    monkeypatch.setattr(archive, "SPARE_BYTES", 10**15)
    refused(there, file, r"^The run needs \d+ MB of disk space, and [\d,]+ MB must stay free; [\d,]+ MB are free in ")


def test_a_checkpoint_with_a_program_in_it_is_not_run(here, there, tmp_path):
    """Its digest fits, as whoever made the file made the mark too; tensors alone are read."""
    import torch

    from trainer.engine.training import checkpoints

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"model": Evil()}, data := io.BytesIO())
    run = ended_run(here)
    mark = {"sha256": hashlib.sha256(data.getvalue()).hexdigest(), "size": len(data.getvalue())}
    (run.checkpoints / "epoch-00003.pt").write_bytes(data.getvalue())
    (run.checkpoints / "epoch-00003.pt.json").write_text(json.dumps(mark))
    taken = unpacked(there, packed(run, tmp_path / "run.zip"))
    with pytest.raises(ValueError, match=r"not a checkpoint of .*: it cannot be read \(UnpicklingError\)"):
        checkpoints.load(taken.run.checkpoints, "epoch-00003.pt")
    assert not (tmp_path / "owned").exists()


def test_the_command_line_packs_and_unpacks(here, there, tmp_path):
    run = ended_run(here)
    file = tmp_path / "run.zip"

    def verb(root: Path, *arguments: str) -> tuple[int, dict]:
        done = fork_server.command("--root", root, "--json", *arguments)
        return done.returncode, json.loads(done.stdout)

    (run.folder / "models").symlink_to(tmp_path)
    (run.folder / "evaluation" / "at 12:30").write_text("heard")
    (run.folder / ".resume.lock").write_text("")
    done = verb(here.root, "pack", "latest", str(file))[1]
    assert done["bytes"] == file.stat().st_size > 1000
    assert done["left_out"] == ["evaluation/at 12:30", "models"]  # who deletes the run after packing it loses these
    code, told = verb(here.root, "pack", "latest", str(file))
    assert code == 2 and told["error"] == f"{file} exists. Choose a new file name."
    assert verb(there.root, "unpack", str(file)) == (0, {"run": run.id, "packed_id": run.id, "state": "completed"})
    assert verb(there.root, "unpack", str(tmp_path / "none.zip"))[0] in (1, 2)
