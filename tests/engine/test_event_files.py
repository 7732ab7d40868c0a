"""Event files read back with TensorBoard's own reader tell what metrics.jsonl tells."""

import json
import math
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.engine.test_saving import OFTEN, broken_off, config_of, go_on, make_run, workspace  # noqa: F401 - fixtures
from trainer.engine.training import journal, loop
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system import durable


def as_float32(value: float) -> float:
    """What is left of a number in an event file."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def told(run: Run) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of each curve as TensorBoard reads it."""
    reader = EventAccumulator(str(run.folder / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(each.step, each.value) for each in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def expected_of(run: Run) -> dict[str, list[tuple[int, float]]]:
    """The same from metrics.jsonl, read without anything of ours."""
    curves = defaultdict(list)
    for line in run.metrics_file.read_text().splitlines():
        row = json.loads(line)
        for name in row.keys() - {"v", "crc", "kind", "step"}:
            if isinstance(row[name], (int, float)):
                curves[f"{row['kind']}/{name}"].append((row["step"], as_float32(row[name])))
    return dict(curves)


PLACES = ("within an epoch, after a checkpoint", "rows without a checkpoint", "validation")


@pytest.mark.parametrize("broken_off", PLACES, indirect=True)
def test_event_files_tell_what_the_metrics_tell_wherever_a_run_broke_off(workspace, broken_off):  # noqa: F811
    """Rows that were cut back at the resume are not shown, and those that were kept are shown once."""
    go_on(workspace, broken_off)
    expected = expected_of(broken_off)
    assert told(broken_off) == expected and len(expected["epoch/val_loss"]) > 1 and len(expected["step/loss"]) > 1
    assert len(list((broken_off.folder / "tensorboard").iterdir())) == 2


def test_lost_event_files_are_told_anew_at_a_resume_and_numbers_that_are_none_are_left_out(tmp_path):
    run = Run(tmp_path)
    rows = [
        {"kind": "step", "step": 3, "loss": 0.5},
        {"kind": "epoch", "step": 3, "val_loss": math.nan, "note": "no number"},
        {"kind": "step", "step": 4, "loss": 0.25},
    ]
    for row in rows:
        metrics.append(run.metrics_file, row)
    run.metrics_file.write_bytes(run.metrics_file.read_bytes() + b"half a row")
    file = journal.open_event_file(run)
    assert journal.append_event(file, {"kind": "step", "step": 5, "loss": math.inf, "rate": 2}) == file
    assert told(run) == {"step/loss": [(3, 0.5), (4, 0.25)], "step/rate": [(5, 2.0)]}


def test_rows_that_were_damaged_are_told_as_little_as_elsewhere(tmp_path):
    """Nor do they end the training that resumes."""
    run = Run(tmp_path)
    for step in (1, 2):
        metrics.append(run.metrics_file, {"kind": "epoch", "epoch": step, "step": step, "val_loss": 0.5})
    whole = run.metrics_file.read_bytes()
    wild = [b'{"v":1,"kind":"epoch","step":%d}' % 10**30, b'{"v":1,"kind":"epoch","step":3,"f1":%d}' % 10**400]
    run.metrics_file.write_bytes(whole + whole.replace(b":0.5", b":0.7") + b"\n".join([*wild, b""]))
    journal.open_event_file(run)
    assert told(run) == {"epoch/epoch": [(1, 1.0), (2, 2.0)], "epoch/val_loss": [(1, 0.5), (2, 0.5)]}


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own of 4 KiB."""
    folder = tmp_path / "full"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("file systems in memory cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_under_the_event_files_is_said_once_and_the_training_goes_on(workspace, full_disk, capsys):  # noqa: F811
    run = make_run(workspace, "full-disk", config_of(0.0))
    (run.folder / "tensorboard").symlink_to(full_disk)
    parts = loop.prepare(workspace, run, 1, lambda: None)
    assert loop.train(parts).state == "completed"
    said = [line for line in capsys.readouterr().out.splitlines() if "TensorBoard" in line]
    assert len(said) == 1 and "No space left on device: " in said[0] and str(run.folder) in said[0]
    expected = expected_of(run)
    assert all(curve == expected[tag][: len(curve)] for tag, curve in told(run).items())


def test_a_folder_of_event_files_that_cannot_be_made_is_said(tmp_path, capsys):
    run = Run(tmp_path)
    durable.replace_bytes(tmp_path / "tensorboard", b"a file")
    assert journal.open_event_file(run) is None and journal.append_event(None, {"kind": "step", "step": 1}) is None
    assert "No more TensorBoard events are written for this run: File exists: " in capsys.readouterr().out
