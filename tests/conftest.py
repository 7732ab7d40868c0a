"""What holds for every test."""

import importlib
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # how long an example takes says more of the machine than of the code
settings.load_profile("house")
OF_GPU = Path(__file__).parent / "gpu"


def pytest_configure(config: pytest.Config) -> None:
    """Hide the GPU from all tests but its own: they say the same on every machine, and its own run without others.

    onnxruntime, which tests import too, is told first not to tell anybody.
    """
    importlib.import_module("trainer")
    if not all(Path(name.partition("::")[0]).resolve().is_relative_to(OF_GPU) for name in config.args):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture(scope="session")
def tone_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported model, made once; nobody writes into it."""
    from tests import detectors  # torch takes seconds to import

    return detectors.write(tmp_path_factory.mktemp("model"), detectors.config_of())
