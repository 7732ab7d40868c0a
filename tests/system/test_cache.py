"""Folders of the cache are whole or none, are made once, and go when nobody has used them for long."""

import os
import time

import pytest

from trainer.system import cache


def write(folder):
    (folder / "index.json").write_text("{}")


def make(folder, work=write):
    return cache.ensure(folder, (folder / "index.json").exists, work)


def grow_old(folder, days):
    then = time.time() - days * 86_400
    os.utime(folder, (then, then))


def test_it_is_made_once(tmp_path):
    folder = tmp_path / "cache" / "array"
    assert make(folder) and not make(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["array"]


def test_what_fails_leaves_nothing(tmp_path):
    def fail(folder):
        (folder / "half").touch()
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        make(tmp_path / "array", fail)
    assert list(tmp_path.iterdir()) == []


def test_of_two_who_make_the_same_the_first_keeps_it(tmp_path):
    folder = tmp_path / "array"

    def overtaken(part):
        make(folder)
        (folder / "first").touch()
        write(part)

    assert make(folder, overtaken)
    assert (
        sorted(path.name for path in folder.iterdir()) == ["first", "index.json"] and len(list(tmp_path.iterdir())) == 1
    )


def test_a_damaged_one_is_made_again(tmp_path):
    (tmp_path / "array" / "rest").mkdir(parents=True)
    assert make(tmp_path / "array")
    assert [path.name for path in (tmp_path / "array").iterdir()] == ["index.json"]


def test_what_is_long_unused_goes_and_what_was_used_stays(tmp_path):
    for name in ("old", "used", "new"):
        make(tmp_path / name)
    for name in ("old", "used"):
        grow_old(tmp_path / name, cache.UNUSED_DAYS + 1)
    make(tmp_path / "used")
    (tmp_path / "streams").mkdir()
    grow_old(tmp_path / "streams", 400)  # no array: evaluations point into it
    cache.prune(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"used", "new", "streams"}


def test_parts_of_killed_processes_go_after_a_day(tmp_path):
    for name, days in (("a.partial.1.aa", 2), ("b.partial.2.bb", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "samples.i16").touch()
        grow_old(tmp_path / name, days)
    cache.prune(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["b.partial.2.bb"]
