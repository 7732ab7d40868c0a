"""Pipes in place of the files of a workspace: nothing opens them, so nothing waits for who never writes."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests import tone_model
from tests.pages.tools import draw
from tests.run_folders import end, make_run, workspace_at
from trainer.catalog import index, reading
from trainer.config import config_file, saved_configs
from trainer.config.schema import Config
from trainer.dataset import changes, clips
from trainer.run import launch, metrics, runs
from trainer.system import durable, log_lines, processes, regular_file

FILES = (
    "runs/{id}/request.json", "runs/{id}/config.yaml", "runs/{id}/process.json", "runs/{id}/outcome.json",
    "runs/{id}/control.json", "runs/{id}/notes.json", "runs/{id}/progress.json", "runs/{id}/metrics.jsonl",
    "runs/{id}/timing.jsonl", "runs/{id}/train.log", "runs/{id}/checkpoints/best.json", "runs/{id}/model/detector.json",
    "runs/{id}/model/model.onnx", "runs/queue.json", "configs/mine.yaml", "data/scan.parquet",
    "data/splits/train.jsonl", "data/splits/split.json", "data/speakers.csv", "data/jobs/scan.json",
    "data/changes/20260101-120000-0001.json",
)  # fmt: skip


@pytest.fixture
def limit():
    """A test that waits for a pipe fails instead."""

    def fail(number: int, frame: object) -> None:
        raise AssertionError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(100)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def special(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(name, tmp_path, limit, monkeypatch):
    workspace = workspace_at(tmp_path / "here")
    run = make_run(workspace)
    end(run, "completed", "All done.")
    tone_model.finish(run)
    saved_configs.save(workspace, "mine", Config(), None)
    special(workspace.root / name.format(id=run.id))
    runs.status(run)
    reading.read(run)
    index.update(workspace)
    metrics.read_to_end(metrics.Tail(), run.metrics_file)
    clips.load(workspace)
    changes.recent(workspace)
    monkeypatch.setenv("WAKEWORD_ROOT", str(workspace.root))
    for page in ("Runs", "Training"):
        draw(page, run.id)
    draw("Evaluation", run.id, "Listen")


def test_what_is_no_file_is_told_and_never_opened(tmp_path, limit):
    special(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "pipe", tmp_path / "link", tmp_path / "socket", Path("/dev/zero")):
            with pytest.raises(OSError, match=regular_file.NOT_REGULAR) as told:
                regular_file.read_bytes(path)
            assert told.value.filename == str(path)
    assert log_lines.last_lines(tmp_path / "pipe") == []
    with pytest.raises(OSError, match="pipe"):
        config_file.load(tmp_path / "pipe")


def test_a_pipe_in_place_of_a_log_or_a_journal_is_not_written_to(tmp_path, limit):
    """A page or a trainer would wait for who reads it."""
    special(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "link"):
        for write in (
            lambda path: processes.start_detached(["-c", "pass"], path, {}),
            lambda path: durable.append(path, b"x\n"),
            durable.settle,
        ):
            with pytest.raises(OSError, match=regular_file.NOT_REGULAR) as told:
                write(path)
            assert told.value.filename == str(path)


def test_a_run_whose_log_is_a_pipe_is_not_resumed(tmp_path, limit):
    workspace = workspace_at(tmp_path / "here")
    run = make_run(workspace)
    end(run, "stopped", "Stopped by the user.")
    special(run.log_file)
    with pytest.raises(OSError, match=regular_file.NOT_REGULAR):
        launch.resume(run)
    assert runs.status(run).state == "stopped"
