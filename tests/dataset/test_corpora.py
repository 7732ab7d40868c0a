"""Public corpora: fetched once, verified, unpacked safely, imported as one change, and removed again."""

import io
import json
import shutil
import signal
import tarfile
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests import fork_server
from tests.corpus_server import (
    READ,
    SPEAKERS,
    Server,
    corpus_of,
    declare,
    flac,
    hub_of,
    read_speech,
    serving,
    serving_paths,
    tar_of,
    wav,
)
from tests.tiny import ignore
from tests.waiting import wait_for, wait_for_job
from trainer.dataset import changes, corpora, corpus_catalog, corpus_install
from trainer.dataset.clips import of_table
from trainer.dataset.corpus_catalog import Part
from trainer.dataset.scan import scan
from trainer.system import download, job, processes
from trainer.system.download import DownloadError
from trainer.system.workspace import Workspace

ARCHIVE = read_speech()
CLIPS = 12


@pytest.fixture
def workspace(tmp_path):
    made = Workspace(tmp_path / "workspace")
    made.raw.mkdir(parents=True)
    return made


@pytest.fixture
def server(workspace):
    with serving(**{"dev-clean_tar_gz": ARCHIVE}) as running:
        declare(workspace, corpus_of(ARCHIVE, f"{running.address}/dev-clean.tar.gz"))
        yield running


def get(workspace: Workspace, source: str = "", name: str = READ) -> corpus_install.Installed:
    return corpus_install.get(workspace, corpus_catalog.find(workspace, name), source, ignore)


def clips(workspace: Workspace) -> list[str]:
    return sorted(path.relative_to(workspace.raw).as_posix() for path in workspace.raw.rglob("*") if path.is_file())


def state(workspace: Workspace) -> dict:
    return corpora.document(workspace, corpus_catalog.find(workspace, READ))


def leftovers(workspace: Workspace) -> list[str]:
    """Files of installations, but for records and locks."""
    data = workspace.root / "data"
    files = [path for name in ("corpora", "incoming") for path in (data / name).rglob("*") if path.is_file()]
    return sorted(path.name for path in files if path.suffix != ".lock" and path.name != f"{READ}.json")


def test_addresses_and_digests_are_those_of_torchaudio():
    import torchaudio  # takes seconds

    known = torchaudio.datasets.librispeech._CHECKSUMS | torchaudio.datasets.speechcommands._CHECKSUMS
    archives = [corpus for corpus in corpus_catalog.CATALOG if not corpus.hub]
    assert {corpus.url: corpus.sha256 for corpus in archives}.items() <= known.items() and len(archives) == 5


def test_a_corpus_becomes_clips_in_a_folder_for_each_speaker(workspace, server):
    installed = get(workspace)
    label = corpus_catalog.CATALOG[0].labels[0]
    assert installed.sentence() == f"Installed Tiny read speech: {CLIPS} clips into {label}. Next, scan and split."
    assert {Path(clip).parent.as_posix() for clip in clips(workspace)} == {
        f"{label}/{READ}_{speaker}" for speaker in SPEAKERS
    }
    assert clips(workspace)[0] == f"{label}/{READ}_1272/1272-120-0000.flac"
    assert (workspace.raw / clips(workspace)[0]).read_bytes() == flac(0)
    assert state(workspace)["installed"] and not leftovers(workspace)
    scanned = of_table(workspace, scan(workspace, ignore)).clips
    assert len(scanned) == CLIPS and set(scanned["label"]) == {label}
    assert set(scanned["group"]) == {f"{READ}_{speaker}" for speaker in SPEAKERS}


def test_an_installed_corpus_is_not_fetched_again(workspace, server):
    get(workspace)
    asked = len(server.requests)
    assert get(workspace).sentence() == "Tiny read speech is already installed."
    assert len(server.requests) == asked and len(clips(workspace)) == CLIPS


def test_the_import_can_be_undone_and_fetched_again(workspace, server):
    changes.undo(workspace, get(workspace).change.id)
    assert not clips(workspace) and not state(workspace)["installed"]
    get(workspace)
    assert len(clips(workspace)) == CLIPS


def test_removed_clips_lie_in_the_trash_and_come_back(workspace, server):
    get(workspace)
    change = corpora.remove(workspace, corpus_catalog.find(workspace, READ))
    assert not clips(workspace) and not state(workspace)["installed"] and change.files == CLIPS
    assert len(list(workspace.trash.rglob("*.flac"))) == CLIPS
    changes.undo(workspace, change.id)
    assert len(clips(workspace)) == CLIPS and state(workspace)["installed"]


def test_what_is_not_installed_cannot_be_removed(workspace, server):
    with pytest.raises(ValueError, match="Tiny read speech is not installed"):
        corpora.remove(workspace, corpus_catalog.find(workspace, READ))


def test_a_download_that_was_interrupted_is_listed_continued_and_can_be_discarded(workspace, server):
    server.breaks = [len(ARCHIVE) // 2, 0]
    with pytest.raises(DownloadError, match="Run it again to continue"):
        get(workspace)
    assert state(workspace)["downloaded_bytes"] == len(ARCHIVE) // 2 and not clips(workspace)
    get(workspace)
    assert server.sent == len(ARCHIVE) and len(clips(workspace)) == CLIPS
    assert corpora.discard_download(workspace, corpus_catalog.find(workspace, READ)) == 0


def test_an_installation_that_was_killed_while_it_moved_clips_is_completed(workspace, server, monkeypatch):
    moves = []

    def dies(source: Path, target: Path) -> None:
        if len(moves) == 5:
            raise KeyboardInterrupt
        moves.append(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    with monkeypatch.context() as patched:
        patched.setattr(changes, "_move", dies)
        with pytest.raises(KeyboardInterrupt):
            get(workspace)
    assert len(clips(workspace)) == 5 and not state(workspace)["installed"]
    sent = server.sent
    get(workspace)
    assert len(clips(workspace)) == CLIPS and state(workspace)["installed"]
    assert server.sent == sent, "the archive was already there"


def test_a_download_whose_process_is_killed_is_continued(workspace, server):
    killed, half = threading.Event(), len(ARCHIVE) // 2
    server.breaks, server.pause = [half], killed.wait
    try:
        job.start(workspace, "corpora", ["get", READ])
        wait_for(lambda: corpora.downloaded_bytes(workspace, corpus_catalog.find(workspace, READ)) == half)
        assert processes.send_signal(job.read(workspace, "corpora").identity, signal.SIGKILL)
    finally:
        killed.set()
    assert "ended unexpectedly" in wait_for_job(workspace, "corpora", lambda ended: ended.state == "failed").message
    job.start(workspace, "corpora", ["get", READ])
    done = wait_for_job(workspace, "corpora", lambda ended: ended.state == "done")
    assert done.message.endswith("Next, scan and split.") and len(clips(workspace)) == CLIPS
    assert [wanted for _, wanted in server.requests] == ["", f"bytes={half}-"] and server.sent == len(ARCHIVE)


def test_a_falsified_archive_is_refused(workspace, server):
    server.files["/dev-clean.tar.gz"] = read_speech(clips=5)
    with pytest.raises(DownloadError, match=r"dev-clean.tar.gz is not the published file"):
        get(workspace)
    assert not clips(workspace) and not leftovers(workspace)


def test_a_mirror_serves_the_same_files(workspace, server):
    declare(workspace, corpus_of(ARCHIVE, "http://127.0.0.1:9/dev-clean.tar.gz"))
    with pytest.raises(DownloadError, match="not reachable"):
        get(workspace)
    get(workspace, f"{server.address}/")
    assert len(clips(workspace)) == CLIPS


def test_the_environment_names_a_mirror(workspace, server, monkeypatch):
    declare(workspace, corpus_of(ARCHIVE, "http://127.0.0.1:9/dev-clean.tar.gz"))
    monkeypatch.setenv(corpus_catalog.MIRROR_VARIABLE, server.address)
    get(workspace)
    assert len(clips(workspace)) == CLIPS


def test_a_folder_with_the_archive_needs_no_network(workspace, tmp_path):
    declare(workspace, corpus_of(ARCHIVE, "http://127.0.0.1:9/dev-clean.tar.gz"))
    (tmp_path / "shelf").mkdir()
    archive = tmp_path / "shelf" / "dev-clean.tar.gz"
    archive.write_bytes(ARCHIVE + b"more")
    with pytest.raises(ValueError, match=r"not the published file.*Nothing was imported"):
        get(workspace, str(tmp_path / "shelf"))
    archive.write_bytes(ARCHIVE)
    get(workspace, str(tmp_path / "shelf"))
    assert len(clips(workspace)) == CLIPS and archive.read_bytes() == ARCHIVE


@pytest.mark.parametrize("below", ["", "LibriSpeech", "LibriSpeech/dev-clean"])
def test_an_unpacked_corpus_is_copied(workspace, tmp_path, below):
    declare(workspace, corpus_of(ARCHIVE, "http://127.0.0.1:9/dev-clean.tar.gz"))
    (tmp_path / "archive").write_bytes(ARCHIVE)
    with tarfile.open(tmp_path / "archive") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    get(workspace, str(tmp_path / "unpacked" / below))
    assert len(clips(workspace)) == CLIPS and len(list((tmp_path / "unpacked").rglob("*.flac"))) == CLIPS


def test_a_folder_without_the_corpus_is_refused(workspace, tmp_path):
    declare(workspace, corpus_of(ARCHIVE, "http://127.0.0.1:9/dev-clean.tar.gz"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"contains neither dev-clean.tar.gz nor the unpacked Tiny read speech"):
        get(workspace, str(tmp_path / "empty"))
    with pytest.raises(ValueError, match="is not a folder"):
        get(workspace, str(tmp_path / "nowhere"))


def test_an_unknown_name_is_answered_with_the_known_ones(workspace):
    with pytest.raises(ValueError, match=r"There is no corpus 'gutenberg'. Choose one of librispeech-dev-clean, "):
        get(workspace, name="gutenberg")


def test_two_installations_of_a_corpus_do_not_meet(workspace, server):
    with (
        download.only_one(corpora.folder(workspace) / f"{READ}.lock", "Tiny read speech"),
        pytest.raises(ValueError, match="another"),
    ):
        get(workspace)


def member(name: str, kind: bytes = tarfile.REGTYPE, **values: object) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for key, value in values.items():
        setattr(entry, key, value)
    return entry


GOOD = "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac"
HOSTILE = {
    "absolute": (tar_of({GOOD: flac(1), "/etc/cron.d/84.flac": b"x"}), "a path outside its folder"),
    "parent": (tar_of({GOOD: flac(1), f"../{GOOD}": flac(1)}), "a path outside its folder"),
    "link": (tar_of({}, member(GOOD, tarfile.SYMTYPE, linkname="/etc/passwd")), "a link or a device"),
    "hard link": (tar_of({}, member(GOOD, tarfile.LNKTYPE, linkname="/etc/passwd")), "a link or a device"),
    "pipe": (tar_of({}, member(GOOD, tarfile.FIFOTYPE)), "a link or a device"),
    "device": (tar_of({}, member(GOOD, tarfile.CHRTYPE)), "a link or a device"),
    "bomb": (tar_of({GOOD: flac(1), "LibriSpeech/zeros.flac": bytes(120_000_000)}), "unpacks to too much"),
    "not a tar": (b"no archive at all", "is damaged"),
    "cut off": (ARCHIVE[: len(ARCHIVE) // 2], "is damaged"),
    "nothing of it": (tar_of({"LibriSpeech/train/84/1/84-1-0.flac": flac(1)}), "contains no audio files of"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_as_a_whole(workspace, kind):
    archive, reason = HOSTILE[kind]
    with serving(**{"dev-clean_tar_gz": archive}) as server:
        declare(workspace, corpus_of(archive, f"{server.address}/dev-clean.tar.gz"))
        with pytest.raises(ValueError, match=reason):
            get(workspace)
    assert not clips(workspace) and not list((workspace.root / "data" / "incoming").iterdir())


def test_a_disk_without_room_is_told_before_the_download(workspace, server, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    with pytest.raises(DownloadError, match=r"needs 0.50 GB of free disk space and 0.00 GB are free"):
        get(workspace)
    assert state(workspace)["downloaded_bytes"] == 0 and not clips(workspace)


def test_of_many_files_every_machine_chooses_the_same(workspace):
    word = r"(^|/)(?P<word>[a-z]+)/(?P<clip>(?P<source>[0-9a-f]{8})_nohash_\d+\.wav)$"
    corpus = corpus_of(b"x", "http://a/b.tar.gz", parts=[Part(label="negative", pattern=word, most=10)])
    paths = [f"./{word}/{number:08x}_nohash_0.wav" for word in ("bed", "cat") for number in range(200)]
    chosen = corpora.targets(corpus, paths)
    assert len(chosen) == 10 and chosen == corpora.targets(corpus, list(reversed(paths)))
    assert all(target.startswith(f"raw/negative/{READ}_0000") for target in chosen.values())
    assert corpora.targets(corpus, ["bed/0a7c2a8d_nohash_0.wav"]) == {
        "bed/0a7c2a8d_nohash_0.wav": f"raw/negative/{READ}_0a7c2a8d/bed-0a7c2a8d_nohash_0.wav"
    }


@pytest.mark.parametrize(
    "changes_",
    [
        {"sha256": "abc"},
        {"parts": []},
        {"hub": "a/b"},
        {"url": "http://a/b.zip"},
        {"homepage": "javascript:x"},
        {"name": "A_b"},
        {"parts": [{"label": "nothing", "pattern": "(?P<source>.)"}]},
    ],
)
def test_a_catalog_of_ones_own_that_is_not_valid_is_named(workspace, changes_):
    own = corpus_of(b"x", "http://a/b.tar.gz").model_dump() | changes_
    (workspace.root / "data" / corpus_catalog.OWN_FILE).write_text(json.dumps([own]))
    with pytest.raises(ValueError, match=r"corpora.json is not a list of corpora"):
        corpus_catalog.catalog(workspace)


ROOMS = {f"16khz/h{number:03d}_Kitchen_1txts.wav": wav(number) for number in range(3)}


def of_catalog(name: str) -> corpus_catalog.Corpus:
    return next(corpus for corpus in corpus_catalog.CATALOG if corpus.name == name)


def hub(name: str, files: dict[str, bytes]) -> Server:
    return serving_paths(hub_of(of_catalog(name).hub, files))


def test_rooms_come_from_the_hub_each_verified(workspace):
    others = {"README.md": b"text", "32khz/h001_Kitchen_1txts.wav": wav(9), "16khz/h009_tiny.wav": b"no digest"}
    with hub("mit-rooms", ROOMS | others) as server:
        installed = get(workspace, server.address, "mit-rooms")
    assert installed.counts == {"rirs": 3}
    assert clips(workspace) == [f"rirs/mit-rooms_h{n:03d}/h{n:03d}_Kitchen_1txts.wav" for n in range(3)]
    assert (workspace.raw / clips(workspace)[1]).read_bytes() == ROOMS["16khz/h001_Kitchen_1txts.wav"]


def test_files_of_the_hub_are_not_fetched_twice(workspace, monkeypatch):
    with hub("mit-rooms", ROOMS) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        server.breaks = [10**6, 10**6, 1000, 0]  # the list, the first file, a part of the second
        with pytest.raises(DownloadError, match="Run it again to continue"):
            get(workspace, name="mit-rooms")
        get(workspace, name="mit-rooms")
        lists = len(
            server.files["/api/datasets/davidscripka/MIT_environmental_impulse_responses/tree/main?recursive=true"]
        )
        assert server.sent == sum(map(len, ROOMS.values())) + 2 * lists
    assert len(clips(workspace)) == 3


def test_a_falsified_file_of_the_hub_is_refused(workspace):
    with hub("mit-rooms", ROOMS) as server:
        path = next(path for path in server.files if path.endswith("h001_Kitchen_1txts.wav"))
        server.files[path] = wav(7)
        with pytest.raises(DownloadError, match="is not the published file"):
            get(workspace, server.address, "mit-rooms")
    assert not clips(workspace)


@pytest.mark.parametrize(
    ("files", "answer", "reason"),
    [
        ({}, b"<html>", "is not an address of the Hugging Face Hub"),
        ({}, None, "contains no files of MIT room impulse responses with a published SHA-256"),
        (None, None, "answered 404 Not Found"),
    ],
)
def test_another_server_than_the_hub_is_told(workspace, files, answer, reason):
    with hub("mit-rooms", files or {}) as server:
        (listing,) = server.files
        server.files = {} if files is None else {listing: answer or server.files[listing]}
        with pytest.raises(DownloadError, match=reason):
            get(workspace, server.address, "mit-rooms")


VALIDATION = "openwakeword-validation"


def features(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_features_come_into_their_own_folder_and_go_again(workspace):
    array = np.random.default_rng(0).standard_normal((500, 96)).astype(np.float32)
    with hub(VALIDATION, {"validation_set_features.npy": features(array), "other.npy": features(array)}) as server:
        installed = get(workspace, server.address, VALIDATION)
    file = workspace.features / f"{VALIDATION}.npy"
    assert (np.load(file, mmap_mode="r") == array).all()
    assert installed.sentence() == "Installed openWakeWord validation features in data/features. Next, train."
    assert corpora.is_installed(workspace, of_catalog(VALIDATION))
    change = corpora.remove(workspace, of_catalog(VALIDATION))
    assert not file.exists() and not corpora.is_installed(workspace, of_catalog(VALIDATION))
    changes.undo(workspace, change.id)
    assert file.is_file() and corpora.is_installed(workspace, of_catalog(VALIDATION))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            features(np.zeros((5, 16, 96), np.float32)),
            r"the shape \(5, 16, 96\) instead of float32 in the shape \(frames, 96\)",
        ),
        (features(np.zeros((5, 64), np.float32)), "instead of"),
        (features(np.zeros((0, 96), np.float32)), "instead of"),
        (features(np.zeros((5, 96), np.float16)), "instead of float32"),
        (features(np.full((5, 96), np.nan, np.float32)), "numbers that are not finite"),
        (features(np.array([{}] * 96, object).reshape(1, 96)), "not an array of numbers"),
        (features(np.zeros((5, 96), np.float32))[:-1], "not an array of numbers"),
        (b"PK\x03\x04", "not an array of numbers"),
        (b"", "not an array of numbers"),
    ],
)
def test_features_that_are_none_are_refused(workspace, tmp_path, content, reason):
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "validation_set_features.npy").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        get(workspace, str(tmp_path / "shelf"), VALIDATION)
    assert not workspace.features.exists()


def command(workspace: Workspace, *arguments: str, code: int = 0):
    done = fork_server.command("corpora", *arguments, "--root", workspace.root)
    assert done.returncode == code, done.stderr
    return done


def test_the_command_line_lists_gets_and_removes(workspace, server: Server):
    listed = json.loads(command(workspace, "--json").stdout)
    keys = {"name", "installed", "licence", "megabytes", "hours", "label", "purpose", "attribution", "homepage"}
    assert len(listed) == len(corpus_catalog.CATALOG) + 1 and all(keys <= set(each) for each in listed)
    assert listed == json.loads(command(workspace, "list", "--json").stdout)
    got = json.loads(command(workspace, "get", READ, "--json").stdout)
    assert got["installed"] and sum(got["imported"].values()) == CLIPS
    assert "installed " in command(workspace).stdout and len(clips(workspace)) == CLIPS
    removed = json.loads(command(workspace, "remove", READ, "--json").stdout)
    assert removed == {"name": READ, "installed": False, "change": removed["change"], "files": CLIPS}
    assert "is not installed" in command(workspace, "remove", READ, code=2).stderr
    server.breaks = [1000, 0]
    (line,) = command(workspace, "get", READ, code=1).stderr.splitlines()
    assert line.endswith("Run it again to continue where it stopped.")
    assert "0 % downloaded" in command(workspace).stdout
    assert "Deleted the download" in command(workspace, "remove", READ).stdout
    assert not leftovers(workspace)
