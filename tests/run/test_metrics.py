"""metrics.jsonl: whole lines in, only new ones out, and never a wrong number."""

import json
import math
import random

import numpy as np
import pytest

from trainer.run import metrics
from trainer.run.metrics import Columns, Place, Tail, read_more
from trainer.system import durable


def epoch_row(epoch: int) -> dict:
    return {"kind": "epoch", "epoch": epoch, "val_loss": 1 / epoch}


def test_rows_come_back_once_and_in_order(tmp_path):
    path, tail = tmp_path / "metrics.jsonl", Tail()
    assert read_more(tail, path) == 0
    for epoch in (1, 2, 3):
        metrics.append(path, epoch_row(epoch))
        metrics.append(path, {"kind": "step", "loss": 1.0})
        read_more(tail, path)
    read_more(tail, path)
    assert [row["epoch"] for row in tail.epochs] == [1, 2, 3] and tail.unreadable == 0


def test_a_look_reads_what_was_added_and_no_more(tmp_path):
    path, tail = tmp_path / "metrics.jsonl", Tail()
    for epoch in range(1, 1001):
        metrics.append(path, epoch_row(epoch))
    read_more(tail, path)
    assert read_more(tail, path) == metrics.KNOWN_END
    metrics.append(path, epoch_row(1001))
    assert read_more(tail, path) == metrics.KNOWN_END + len(metrics.encode(epoch_row(1001)))


def test_nan_becomes_null_and_is_named():
    row = json.loads(metrics.encode({"kind": "step", "loss": math.nan, "rate": math.inf, "epoch": 1}))
    assert row["loss"] is None and row["rate"] is None and row["nonfinite"] == ["loss", "rate"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("metrics") / "m"
    for epoch in range(1, 41):
        metrics.append(path, epoch_row(epoch))
    return path.read_bytes()


def test_200_rows_cut_at_any_byte_show_only_whole_rows(tmp_path):
    path, growing = tmp_path / "m", Columns(("epoch", "val_loss"))
    rows = [metrics.encode(epoch_row(epoch)) for epoch in range(1, 201)]
    whole = b"".join(rows)
    path.write_bytes(b"")
    with open(path, "ab", buffering=0) as file:
        for size in range(len(whole) + 1):
            count = whole.count(b"\n", 0, size)
            anew = metrics.look(Place(), path)
            assert metrics.epoch_lines(anew.lines) == (list(range(count)), 0)
            assert b"".join(line + b"\n" for line in anew.lines) == b"".join(rows[:count])
            metrics.read_more(growing, path, metrics.LONGEST_READ)
            assert growing.rows == count and growing.unreadable == 0
            file.write(whole[size : size + 1])
    assert np.array_equal(growing["val_loss"], 1 / np.arange(1, 201))


def test_any_byte_in_place_of_any_other_never_shows_another_number():
    rows = [metrics.encode(epoch_row(epoch)) for epoch in range(1, 10)]
    whole, true = b"".join(rows), {row[:-1] for row in rows}
    assert len(whole) > 500
    for offset in range(500):
        for value in range(256):
            lines = (whole[:offset] + bytes([value]) + whole[offset + 1 :]).split(b"\n")[:-1]
            epochs, unreadable = metrics.epoch_lines(lines)
            assert true.issuperset(lines[index] for index in epochs), (offset, value)
            assert len(epochs) == 9 if value == whole[offset] else len(epochs) >= 7 and unreadable >= 1


@pytest.mark.parametrize("rows", [40, 400], ids=["few", "many"])
def test_both_readers_take_a_damaged_file_for_what_is_left_of_it(tmp_path, rows):
    path, rng = tmp_path / "m", random.Random(0)
    whole = b"".join(metrics.encode(epoch_row(epoch)) for epoch in range(1, rows + 1))
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(4)):
            damaged[rng.randrange(len(whole))] = rng.randrange(256)
        path.write_bytes(damaged)
        tail, found = Tail(), Columns(("epoch", "val_loss"))
        read_more(tail, path)
        metrics.read_to_end(found, path)
        assert [row["epoch"] for row in tail.epochs] == found["epoch"].tolist()
        assert tail.unreadable == found.unreadable and found.rows + found.unreadable >= rows - 6
        assert np.array_equal(found["val_loss"], 1 / found["epoch"])


def test_what_is_no_row_is_counted_and_left_out(tmp_path):
    path, good = tmp_path / "m", metrics.encode(epoch_row(1))
    bad = [
        b"\xef\xbb\xbf" + good[:-1], good[:-1] + b"\r", b"\x00", b"[1]", b"{}", b"\xff\xfe", good[:-1].upper(),
        metrics.encode({"kind": "other"})[:-1], json.dumps({"v": 2, **epoch_row(1)}).encode(),
        b'{"v":1,"kind":"epoch","epoch":', b'{"v":1,"kind":"epoch","epoch":1' + b"[" * 5000, b"x" * 70_000,
    ]  # fmt: skip
    for data in (b"", b"\n\n \n", b"\xff" * 100):
        path.write_bytes(data)
        metrics.read_to_end(found := Columns(("epoch",)), path)
        assert (found.rows, found.unreadable) == (0, 0)
    path.write_bytes(b"\n".join([*bad, b"", good]))
    read_more(tail := Tail(), path)
    metrics.read_to_end(found := Columns(("epoch",)), path)
    assert [row["epoch"] for row in tail.epochs] == found["epoch"].tolist() == [1]
    assert tail.unreadable == found.unreadable == len(bad)


def test_rows_of_the_version_before_are_read(tmp_path):
    path = tmp_path / "m"
    lines = [json.dumps({"v": 1, **epoch_row(epoch)}, separators=(",", ":")) for epoch in range(1, 501)]
    path.write_text("\n".join([*lines, '{"v":3,"kind":"epoch","epoch":9}', ""]))
    metrics.read_to_end(found := Columns(("epoch", "val_loss")), path)
    assert np.array_equal(found["val_loss"], 1 / np.arange(1, 501)) and found.unreadable == 1
    path.write_text("\n".join([*lines, '{"v":1,"kind":"epoch","epoch":"9"}', '{"v":1,"kind":"epoch","ep', ""]))
    metrics.read_to_end(found, path)
    assert found.rows == 501 and np.isnan(found["epoch"][-1]) and found.unreadable == 1


def test_numbers_are_those_that_were_written_few_or_many(tmp_path):
    rng = np.random.default_rng(0)
    values = np.concatenate(
        [rng.normal(size=400) * 10.0 ** rng.integers(-300, 300, 400), [0, -0.0, 5e-324, 2**63, 1e308]]
    )
    rows = [
        {
            "kind": "epoch",
            "epoch": epoch,
            "a": value,
            "whole": epoch**3,
            "b": None,
            "late": 1.5 if epoch > 390 else None,
        }
        | {"late": 1.5 if epoch > 390 else None, "reading": {"cpu": value, "name": "x"} if epoch % 3 else None}
        for epoch, value in enumerate(values.tolist(), 1)
    ]
    names = ("epoch", "a", "whole", "b", "late", "cpu", "missing")
    many, few, path = Columns(names), Columns(names), tmp_path / "m"
    for row in rows:
        metrics.append(path, row)
        metrics.read_more(few, path, metrics.LONGEST_READ)
    metrics.read_to_end(many, path)
    for name in names:
        assert np.array_equal(many[name], few[name], equal_nan=True), name
        plain = [row.get(name, (row["reading"] or {}).get(name)) for row in rows]
        assert np.array_equal(many[name], np.array(plain, dtype=float), equal_nan=True), name
    assert [metrics.row_at(path, start)["whole"] for start in many.starts] == many["whole"].tolist()
    assert metrics.row_at(path, 3) is None and metrics.row_at(tmp_path / "none", 0) is None


def test_a_view_stays_as_it_is_while_rows_come(tmp_path):
    path, found = tmp_path / "m", Columns(("epoch",))
    for epoch in range(1, 100):
        metrics.append(path, epoch_row(epoch))
        metrics.read_more(found, path, metrics.LONGEST_READ)
        if epoch == 40:
            view = found["epoch"]
    path.write_bytes(b"")
    metrics.read_to_end(found, path)
    assert found.rows == 0 and view.tolist() == list(range(1, 41))


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


def test_a_file_that_was_cut_back_and_grew_beyond_is_read_anew(tmp_path, whole):
    path, tail, found = tmp_path / "m", Tail(), Columns(("epoch", "val_loss"))
    path.write_bytes(whole)
    read_more(tail, path)
    metrics.read_to_end(found, path)
    metrics.cut_back(path, len(whole) // 2)
    for epoch in range(100, 160):
        metrics.append(path, epoch_row(epoch))
    assert path.stat().st_size > len(whole)
    read_more(tail, path)
    metrics.read_to_end(found, path)
    epochs = [row["epoch"] for row in tail.epochs]
    assert epochs == found["epoch"].tolist() and epochs[-60:] == list(range(100, 160)) and len(epochs) < 100


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
    monkeypatch.setattr(metrics, "LONGEST_READ", 400)
    metrics.read_to_end(tail, path)
    assert len(tail.epochs) == 40
    path.write_bytes(whole + b"x" * 1000 + b"\n" + metrics.encode(epoch_row(41)))
    metrics.read_to_end(tail, path)
    assert len(tail.epochs) == 41 and tail.unreadable, "a line that is longer than a look is passed over"
