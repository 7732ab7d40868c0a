"""What holds for every test."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

from tests import fork_server
from trainer.system import processes

settings.register_profile("house", deadline=None)  # how long an example takes says more of the machine than of the code
settings.load_profile("house")
LONGEST = (
    "test_walk.py",
    "test_soak.py",
    "test_no_telemetry.py",
    "test_options_act.py",
    "test_dataset.py",
    "test_control.py",
    "test_configuration.py",
    "test_export.py",
    "test_evaluate.py",
    "test_access.py",
    "test_launch.py",
    "test_inspection.py",
    "test_evaluation.py",
    "test_saving.py",
    "test_watching.py",
    "test_runs.py",
    "test_speed.py",
    "test_runs_go_on.py",
    "test_state_machine.py",
    "test_liveness.py",
    "test_wishes.py",
    "test_bell.py",
    "test_slow_runs.py",
    "test_one_set_of_numbers.py",
    "test_synthesis.py",
)
"""Test files of more than twenty seconds each, the longest first."""
OF_GPU = Path(__file__).parent / "gpu"


def pytest_configure(config: pytest.Config) -> None:
    """Hide the GPU from all tests but its own: they say the same on every machine, and its own run without others.

    onnxruntime, which tests import too, is told first not to tell anybody. Threads of torch that wait for each
    other soon sleep, as in trainers: spinning, they would take half of the processor from the tests beside.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    importlib.import_module("trainer")
    importlib.import_module("tests.unsynced")
    config.addinivalue_line("markers", "prompt: promises something within seconds; `make test` runs it apart")
    config.addinivalue_line("markers", "anew: what this test starts is started by new interpreters")
    if not all(Path(name.partition("::")[0]).resolve().is_relative_to(OF_GPU) for name in config.args):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first, so that no worker is left alone with one at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: list) -> None:
    """Start the workers of pytest-xdist by forks too."""
    address = fork_server.share()
    for spec in specs:
        spec.python = f"{sys.executable} -m tests.worker {address}"


@pytest.fixture(scope="session")
def tone_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported model, made once; nobody writes into it."""
    from tests import detectors  # torch takes seconds to import

    return detectors.write(tmp_path_factory.mktemp("model"), detectors.config_of())


@pytest.fixture(scope="session", autouse=True)
def forked() -> Iterator[None]:
    """Fork what tests start from a process that has imported torch."""
    with (
        mock.patch.object(processes, "start_detached", fork_server.start_detached),
        mock.patch.object(subprocess, "Popen", fork_server.PopenOfTests),
    ):
        yield


@pytest.fixture(autouse=True)
def new_interpreters(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start new interpreters instead in a test that is marked `anew`."""
    with ExitStack() as patches:
        if request.node.get_closest_marker("anew"):
            patches.enter_context(mock.patch.object(processes, "start_detached", fork_server.detached))
            patches.enter_context(mock.patch.object(subprocess, "Popen", fork_server.Popen.__base__))
        yield
