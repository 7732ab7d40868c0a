"""Files that are whole or not there."""

import os

import pytest

from trainer.system import durable


def test_replacing_leaves_nothing_but_the_file(tmp_path):
    path = tmp_path / "x.json"
    durable.replace_json(path, {"a": 1})
    durable.replace_json(path, {"a": 2})
    assert durable.read_json(path) == {"a": 2}
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_failed_write_keeps_the_old_file_and_no_fragment(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    durable.replace_json(path, {"a": 1})

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(durable, "write", full)
    with pytest.raises(OSError, match=f"No space.*{path}"):
        durable.replace_json(path, {"a": 2})
    monkeypatch.undo()
    assert durable.read_json(path) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_short_writes_are_continued(tmp_path, monkeypatch):
    write = durable.write
    monkeypatch.setattr(durable, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
    durable.replace_bytes(tmp_path / "x", b"0123456789")
    assert (tmp_path / "x").read_bytes() == b"0123456789"


def test_a_line_that_does_not_fit_is_taken_back_whole(tmp_path, monkeypatch):
    path, write = tmp_path / "lines", durable.write
    durable.append(path, b"first\n")
    durable.settle(path)

    def full_after_3(descriptor: int, data: bytes) -> int:
        if len(data) < 7:
            raise OSError(28, "No space left on device")
        return write(descriptor, bytes(data[:3]))

    monkeypatch.setattr(durable, "write", full_after_3)
    with pytest.raises(OSError, match=f"No space.*{path}"):
        durable.append(path, b"second\n")
    assert path.read_bytes() == b"first\n" and durable.settle(path) == 6


def test_the_part_lies_in_the_folder_of_the_file(tmp_path, monkeypatch):
    replaced = []
    monkeypatch.setattr(durable, "replace", lambda part, path: (replaced.append(part), os.replace(part, path)))
    durable.replace_bytes(tmp_path / "x", b"1")
    assert replaced[0].parent == tmp_path


def test_what_is_not_json_is_refused_and_reads_as_none(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        durable.replace_json(tmp_path / "x", {"a": float("nan")})
    for data in (b"", b"{", b"\xff", b"[" * 100_000):
        (tmp_path / "y").write_bytes(data)
        assert durable.read_json(tmp_path / "y") is None
    assert durable.read_json(tmp_path / "missing") is None
