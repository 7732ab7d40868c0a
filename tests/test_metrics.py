"""metrics.jsonl: whole lines in, only new ones out."""

import json
import math
import random

import pytest

from trainer import durable, metrics
from trainer.metrics import Tail, read_more


def epoch_row(epoch: int) -> dict:
    return {"kind": "epoch", "epoch": epoch, "val_loss": 1 / epoch}


def test_rows_come_back_once_and_in_order(tmp_path):
    path, tail = tmp_path / "metrics.jsonl", Tail()
    assert read_more(tail, path) == 0
    for epoch in (1, 2, 3):
        metrics.append(path, epoch_row(epoch))
        metrics.append(path, {"kind": "step", "loss": 1.0})
        read_more(tail, path)
    assert [row["epoch"] for row in tail.epochs] == [1, 2, 3]
    assert read_more(tail, path) == 0


def test_a_look_reads_what_was_added_and_no_more(tmp_path):
    path, tail = tmp_path / "metrics.jsonl", Tail()
    for epoch in range(1, 1001):
        metrics.append(path, epoch_row(epoch))
    read_more(tail, path)
    metrics.append(path, epoch_row(1001))
    assert read_more(tail, path) == len(metrics.encode(epoch_row(1001)))


def test_nan_becomes_null_and_is_named():
    row = json.loads(metrics.encode({"kind": "step", "loss": math.nan, "rate": math.inf, "epoch": 1}))
    assert row["loss"] is None and row["rate"] is None and row["nonfinite"] == ["loss", "rate"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("metrics") / "m"
    for epoch in range(1, 41):
        metrics.append(path, epoch_row(epoch))
    return path.read_bytes()


def test_a_file_cut_anywhere_shows_only_whole_rows(tmp_path, whole):
    path = tmp_path / "m"
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        tail = Tail()
        read_more(tail, path)
        assert [row["epoch"] for row in tail.epochs] == list(range(1, whole[:size].count(b"\n") + 1))
        assert tail.unreadable == 0


def test_damaged_bytes_never_raise_and_cost_at_most_two_rows(tmp_path, whole):
    path, rng = tmp_path / "m", random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] = rng.randrange(256)
        path.write_bytes(damaged)
        tail = Tail()
        read_more(tail, path)
        assert len(tail.epochs) + tail.unreadable >= 38
    path.write_bytes(b"\xef\xbb\xbf\r\n\x00\n[1]\n{}\n" + whole)
    tail = Tail()
    read_more(tail, path)
    assert len(tail.epochs) == 40 and tail.unreadable == 4


def test_a_file_that_shrank_or_was_replaced_is_read_anew(tmp_path, whole):
    path, tail = tmp_path / "m", Tail()
    path.write_bytes(whole)
    read_more(tail, path)
    with open(path, "rb+") as file:
        file.truncate(whole.index(b"\n") + 1)
    read_more(tail, path)
    assert [row["epoch"] for row in tail.epochs] == [1]
    other = tmp_path / "other"
    other.write_bytes(whole)
    other.replace(path)
    read_more(tail, path)
    assert len(tail.epochs) == 40


def test_a_file_is_cut_back_to_the_last_whole_row_before_an_offset(tmp_path, whole):
    path = tmp_path / "m"
    metrics.cut_back(path, 10)
    assert not path.exists()
    third = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")][2]
    for offset, kept in ((third, third), (third + 9, third), (0, 0), (len(whole) + 99, len(whole))):
        path.write_bytes(whole + b'{"v":1')
        assert durable.settle(path) == len(whole) + 6
        metrics.cut_back(path, offset)
        assert path.read_bytes() == whole[:kept]


def test_a_long_file_is_read_to_its_end(tmp_path, whole, monkeypatch):
    path, tail = tmp_path / "m", Tail()
    path.write_bytes(whole)
    monkeypatch.setattr(metrics, "LONGEST_READ", 100)
    metrics.read_to_end(tail, path)
    assert len(tail.epochs) == 40
    path.write_bytes(whole + b"x" * 500)
    metrics.read_to_end(tail, path)
    assert tail.offset == len(whole), "a line that is longer than a look is no reason to look for ever"
