"""What holds for every test."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None)  # how long an example takes says more of the machine than of the code
settings.load_profile("house")


@pytest.fixture(scope="session")
def tone_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an exported model, made once; nobody writes into it."""
    from tests import detectors  # torch takes seconds to import

    return detectors.write(tmp_path_factory.mktemp("model"), detectors.config_of())
