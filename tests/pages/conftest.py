"""Workspaces that pages are drawn for."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.run_folders import slow_start, workspace_at
from tests.tiny import make_workspace, tiny_config
from trainer.audio import audio_file
from trainer.config import saved_configs
from trainer.detector import onnx_file
from trainer.detector.detector_file import DetectorFile
from trainer.system import processes
from trainer.system.workspace import Workspace


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A workspace with clips, splits and a configuration: made once, copied for each test."""
    workspace = make_workspace(tmp_path_factory.mktemp("filled"))
    saved_configs.save(workspace, "mine", tiny_config())
    return workspace


@pytest.fixture
def workspace(tmp_path, filled, monkeypatch):
    root = tmp_path / "workspace"
    shutil.copytree(filled.root, root, copy_function=shutil.copy2)
    monkeypatch.setenv("WAKEWORD_ROOT", str(root))
    return Workspace(root)


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("WAKEWORD_ROOT", str(tmp_path))
    return workspace_at(tmp_path)


@pytest.fixture
def no_processes(monkeypatch):
    """Nothing is started: what a page would have started is noted instead."""
    started: list[list[str]] = []
    monkeypatch.setattr(processes, "start_detached", slow_start(started))
    return started


@pytest.fixture(autouse=True)
def no_decoder(monkeypatch):
    """The process that draws pages decodes no file: a decoder that a file could crash would take the server with it."""

    def refuse(*_: object) -> None:
        raise AssertionError("a file was decoded in the process of the pages")

    monkeypatch.setattr(audio_file, "_decoded", refuse)


@pytest.fixture(scope="session")
def accepted() -> set[str]:
    """Digests of models, with their documents, that a process with limits has tried and not refused."""
    return set()


@pytest.fixture(autouse=True)
def tried_once(monkeypatch, accepted: set[str]):
    """Most of these tests hear with the same model: it is tried once, in a process that takes a second to start."""
    try_model = onnx_file._try

    def try_once(file: DetectorFile, data: bytes, path: Path) -> None:
        digest = hashlib.sha256(file.model_dump_json().encode() + data).hexdigest()
        if digest not in accepted:
            try_model(file, data, path)
            accepted.add(digest)

    monkeypatch.setattr(onnx_file, "_try", try_once)
