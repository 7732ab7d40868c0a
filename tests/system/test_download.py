"""Downloads: continued where they stopped, verified, and clear about what went wrong."""

import errno
import hashlib
import os
import shutil
from types import SimpleNamespace

import pytest

from tests.corpus_server import Server, serving
from tests.tiny import ignore
from trainer.system import download, durable
from trainer.system.download import DownloadError

DATA = os.urandom(300_000)
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server():
    with serving(data_bin=DATA) as running:
        yield running


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data.bin"


def fetch(server: Server, target, sha256: str = DIGEST, further_bytes: int = 0) -> None:
    download.fetch(f"{server.address}/data.bin", target, sha256, further_bytes, ignore)


def names(target) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_complete_download_leaves_only_the_file(server, target):
    fetch(server, target)
    assert target.read_bytes() == DATA and names(target) == ["data.bin"] and server.requests == [("/data.bin", "")]


def test_a_connection_that_breaks_is_continued_without_fetching_bytes_twice(server, target):
    server.breaks = [100_000, 50_000]
    fetch(server, target)
    assert target.read_bytes() == DATA and server.sent == len(DATA)
    assert [wanted for _, wanted in server.requests] == ["", "bytes=100000-", "bytes=150000-"]


def test_a_cancelled_download_is_continued_by_the_next_call(server, target):
    def cancel(done: int, total: int, doing: str) -> None:
        raise KeyboardInterrupt

    server.breaks = [120_000]
    with pytest.raises(KeyboardInterrupt):
        download.fetch(f"{server.address}/data.bin", target, DIGEST, 0, cancel)
    stored = download.part_of(target).stat().st_size
    assert 0 < stored <= 120_000 and not target.exists()
    fetch(server, target)
    assert target.read_bytes() == DATA and server.requests[-1] == ("/data.bin", f"bytes={stored}-")


def test_another_server_continues_a_download(server, target):
    server.breaks = [120_000, 0]
    with pytest.raises(DownloadError):
        fetch(server, target)
    with serving(data_bin=DATA) as mirror:
        mirror.version = '"another"'
        fetch(mirror, target)
        assert mirror.sent == len(DATA) - 120_000
    assert target.read_bytes() == DATA


def test_a_download_is_continued_behind_a_redirect(server, target):
    server.redirects, server.breaks = {"/old/data.bin": "/data.bin"}, [100_000]
    download.fetch(f"{server.address}/old/data.bin", target, DIGEST, 0, ignore)
    assert target.read_bytes() == DATA and server.sent == len(DATA)
    assert server.requests[2:] == [("/old/data.bin", "bytes=100000-"), ("/data.bin", "bytes=100000-")]


def test_a_server_that_ignores_ranges_begins_again(server, target):
    server.ranges, server.breaks = False, [100_000, 300_000]
    fetch(server, target)
    assert target.read_bytes() == DATA and server.sent == 100_000 + len(DATA)


def test_a_server_that_always_breaks_at_the_same_byte_is_given_up(server, target):
    server.ranges, server.breaks = False, [100_000] * 9
    with pytest.raises(DownloadError, match=r"does not deliver data.bin: .* Run it again to continue"):
        fetch(server, target)
    assert len(server.requests) == 2


@pytest.mark.parametrize("version", ['"2"', ""])
def test_a_file_that_has_changed_meanwhile_is_fetched_from_its_start(server, target, version):
    server.files["/data.bin"] = DATA[:200_000]
    server.breaks = [100_000, 0]
    with pytest.raises(DownloadError):
        fetch(server, target)
    server.files["/data.bin"], server.version = DATA, version
    fetch(server, target)
    assert target.read_bytes() == DATA


def test_a_falsified_file_is_refused_and_removed(server, target):
    server.files["/data.bin"] = DATA[:-1] + bytes([DATA[-1] ^ 1])
    with pytest.raises(DownloadError, match=r"data.bin is not the published file: its SHA-256 is .* was removed"):
        fetch(server, target)
    assert names(target) == []


def test_what_was_stored_for_another_digest_is_not_used(server, target):
    server.breaks = [100_000, 0]
    with pytest.raises(DownloadError):
        fetch(server, target, "0" * 64)
    fetch(server, target)
    assert target.read_bytes() == DATA


def test_a_longer_incomplete_file_than_the_server_has_is_fetched_again(server, target):
    server.breaks = [100_000, 0]
    with pytest.raises(DownloadError):
        fetch(server, target)
    notes = download.part_of(target).with_name("data.bin.part.json")
    durable.replace_json(notes, {"url": "http://elsewhere", "sha256": DIGEST, "size": 400_000})
    download.part_of(target).write_bytes(bytes(350_000))
    fetch(server, target)
    assert target.read_bytes() == DATA


def test_a_server_that_is_gone_costs_one_sentence_and_no_byte(server, target):
    server.breaks = [100_000, 0]
    with pytest.raises(DownloadError):
        fetch(server, target)
    with pytest.raises(
        DownloadError, match=r"127.0.0.1:9 does not deliver data.bin: it is not reachable. Run it again"
    ):
        download.fetch("http://127.0.0.1:9/data.bin", target, DIGEST, 0, ignore)
    assert download.part_of(target).stat().st_size == 100_000


@pytest.mark.parametrize("address", ["http://", "ftp://127.0.0.1", "http://[bad"])
def test_an_address_that_is_not_one_costs_one_sentence(target, address):
    with pytest.raises(DownloadError, match=r"data.bin"):
        download.fetch(f"{address}/data.bin", target, DIGEST, 0, ignore)


def test_passwords_are_not_sent_unless_the_address_holds_them(server, target, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fetch(server, target)
    address = server.address.replace("://", "://me:mine@")
    with pytest.raises(DownloadError) as refused:
        download.fetch(f"{address}/other.bin", target, DIGEST, 0, ignore)
    assert server.passwords == ["", "Basic bWU6bWluZQ=="] and "mine" not in str(refused.value)


def test_a_missing_file_is_told_with_the_answer_of_the_server(server, target):
    with pytest.raises(DownloadError, match=r"answered 404 Not Found. Check the address"):
        download.fetch(f"{server.address}/other.bin", target, DIGEST, 0, ignore)


def test_a_disk_without_room_is_told_before_a_byte_is_stored(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=600_000_000))
    with pytest.raises(DownloadError, match=r"data.bin needs 0.70 GB of free disk space and 0.60 GB are free"):
        fetch(server, target, further_bytes=200_000_000)
    assert not download.part_of(target).exists()


def test_a_disk_that_becomes_full_is_told_and_the_download_continues_later(server, target, monkeypatch):
    def full(descriptor: int, data: memoryview) -> int:
        if not os.readlink(f"/proc/self/fd/{descriptor}").endswith(".part"):
            return os.write(descriptor, data)
        if not (room := 40_000 - os.fstat(descriptor).st_size):
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data[:room])

    with monkeypatch.context() as patched:
        patched.setattr(durable, "write", full)
        with pytest.raises(DownloadError, match=r"The disk is full: data.bin needs 0.00 GB more .* Free some space."):
            fetch(server, target)
    assert download.part_of(target).stat().st_size == 40_000
    fetch(server, target)
    assert target.read_bytes() == DATA and server.requests[-1] == ("/data.bin", "bytes=40000-")
