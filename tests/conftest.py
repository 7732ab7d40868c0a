"""What holds for every test."""

import importlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import settings

from tests import fork_server
from trainer.system import processes

settings.register_profile("house", deadline=None)  # how long an example takes says more of the machine than of the code
settings.load_profile("house")
OF_GPU = Path(__file__).parent / "gpu"


def pytest_configure(config: pytest.Config) -> None:
    """Hide the GPU from all tests but its own: they say the same on every machine, and its own run without others.

    onnxruntime, which tests import too, is told first not to tell anybody. Ctrl-C, which shells switch off for what
    runs in the background, reaches what tests start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    importlib.import_module("trainer")
    importlib.import_module("tests.unsynced")
    config.addinivalue_line("markers", "anew: the trainings of this test are started by new interpreters")
    if not all(Path(name.partition("::")[0]).resolve().is_relative_to(OF_GPU) for name in config.args):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(scope="session")
def tone_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported model, made once; nobody writes into it."""
    from tests import detectors  # torch takes seconds to import

    return detectors.write(tmp_path_factory.mktemp("model"), detectors.config_of())


@pytest.fixture(autouse=True)
def forked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fork what a test starts from a process that has imported torch, unless the test is marked `anew`."""
    if request.node.get_closest_marker("anew"):
        yield
    else:
        with mock.patch.object(processes, "start_detached", fork_server.start_detached):
            yield
