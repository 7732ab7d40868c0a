"""Memory on a GPU beside its estimate."""

import pytest

from benchmarks.estimates import MODELS
from benchmarks.gpu_memory import config_of, peak
from tests.tiny import make_workspace
from trainer.estimates import requirements
from trainer.system.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("gpu"))


@pytest.mark.parametrize("batch_size", [16, 64, 256])
@pytest.mark.parametrize("model", MODELS)
def test_the_peak_is_within_a_quarter_of_the_estimate(workspace: Workspace, model: str, batch_size: int):
    config = config_of(model, batch_size)
    assert requirements.gpu_memory_bytes(config) == pytest.approx(peak(workspace, config), rel=0.25)
