"""The Python way in gives what the files of the runs say, in two lines."""

import subprocess
import sys

import pandas as pd
import pytest

from tests import documented
from tests.run_folders import end, epoch_row, make_run, workspace_at
from trainer.catalog import frames, notes
from trainer.config.schema import Config
from trainer.run import metrics
from trainer.system import durable
from trainer.system.workspace import PROJECT_ROOT


def test_the_documented_lines_find_the_best_run(tmp_path):
    """They run as they stand there, in a process of its own."""
    workspace = workspace_at(tmp_path)
    end(make_run(workspace, 1, label="short", epochs=3), "completed", "All done.")
    end(make_run(workspace, 2, label="long", epochs=9), "stopped", "Stopped by the user.")
    code = documented.program(documented.ANALYSIS_PAGE)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=PROJECT_ROOT,
        env={"WAKEWORD_ROOT": str(tmp_path), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "long" in done.stdout and f"{epoch_row(9)['val_loss']:.6f}" in done.stdout, done.stdout


def test_a_table_holds_every_run_and_option_and_a_frame_every_epoch(tmp_path):
    workspace = workspace_at(tmp_path)
    run = make_run(workspace, 1, label="first", epochs=4)
    end(run, "completed", "All done.")
    notes.change(run, add=["night"])
    other = make_run(workspace, 2, epochs=0)
    durable.replace_bytes(other.config_file, b"\xff not a configuration")
    table = frames.table(tmp_path)
    assert list(table.index) == [other.id, run.id]
    told = table.loc[run.id]
    assert (told.state, told.label, told.tags, told["model.name"]) == (
        "completed",
        "first",
        ("night",),
        Config().model.name,
    )
    assert told.started == pd.Timestamp("2026-01-01T12:00:00Z") and told.val_loss == epoch_row(4)["val_loss"]
    frame = frames.metrics(run.id, tmp_path)
    assert list(frame.index) == [1, 2, 3, 4] and frame.index.name == "epoch"
    for epoch in frame.index:
        expected = {name: value for name, value in epoch_row(epoch).items() if name not in ("kind", "epoch")}
        assert {name: frame.loc[epoch, name] for name in expected} == expected
    assert list(frame.seconds) == [7.5] * 4 and "reading" not in frame


def test_an_epoch_told_twice_is_there_once_and_half_a_row_is_none(tmp_path):
    run = make_run(workspace_at(tmp_path), epochs=2)
    metrics.append(run.metrics_file, epoch_row(2) | {"val_loss": 0.125})
    run.metrics_file.write_bytes(run.metrics_file.read_bytes() + b'{"crc":"0')
    frame = frames.metrics(run)
    assert list(frame.index) == [1, 2] and frame.loc[2, "val_loss"] == 0.125


def test_where_nothing_is_there_the_frames_are_empty(tmp_path):
    workspace = workspace_at(tmp_path)
    table = frames.table(tmp_path)
    assert table.empty and {"state", "val_loss", "model.name"} <= set(table.columns)
    with pytest.raises(ValueError, match="There are no runs in "):
        frames.metrics("latest", tmp_path)
    assert frames.metrics(make_run(workspace, epochs=0)).empty
