"""Tests on a GPU: `make test-gpu`. They fill its memory and time it, so nothing else runs beside them."""

import pytest

from trainer.system import devices


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip them all where no GPU is found, or where it is hidden as other tests run too."""
    if not devices.gpus():
        for item in items:
            if item.path.is_relative_to(__file__.rpartition("/")[0]):
                item.add_marker(pytest.mark.skip(reason="no GPU here, or hidden beside other tests: make test-gpu"))


@pytest.fixture(autouse=True)
def forked() -> None:
    """Trainings on a GPU are started by new interpreters: what CUDA was set up for does not outlive a fork."""
