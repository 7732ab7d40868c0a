"""The end of a log."""

import os

from trainer.system import display_text, log_lines


def test_the_last_lines_in_order(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("".join(f"[12:00:00] line {i}\n" for i in range(500)))
    assert log_lines.last_lines(path, 3) == [f"[12:00:00] line {i}" for i in (497, 498, 499)]
    assert len(log_lines.last_lines(path)) == 100
    assert log_lines.last_lines(tmp_path / "missing") == []


def test_a_huge_log_is_read_from_its_end_only(tmp_path):
    path = tmp_path / "train.log"
    with open(path, "wb") as file:
        os.ftruncate(file.fileno(), 10 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\nfirst\nsecond\n")
    assert log_lines.last_lines(path, 2) == ["first", "second"]


def test_escapes_controls_and_redrawn_lines_are_harmless(tmp_path):
    path = tmp_path / "train.log"
    path.write_bytes(b"\x1b[31mred\x1b[0m\n10%\r 50%\r100%\nbell\x07 \xe2\x80\xaeturn\n\xff\xfe\n" + b"x" * 9000)
    lines = log_lines.last_lines(path)
    assert lines[:2] == ["red", "100%"]
    assert "\x07" not in lines[2] and "\u202e" not in lines[2]
    assert len(lines[-1]) == display_text.LONGEST_LINE
