"""Memory on a GPU beside its estimate, for every model and three batch sizes; runs where a GPU is found."""

import pytest
import torch

from tests.measure_estimates import MODELS, config_of
from tests.tiny import make_workspace
from trainer import config_file, durable, estimates
from trainer.engine import loop
from trainer.engine.batches import training_batch
from trainer.engine.step import Stride, take_step
from trainer.engine.windows import epoch_windows
from trainer.runs import Run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("gpu"))


@pytest.mark.parametrize("batch_size", [16, 64, 256])
@pytest.mark.parametrize("model", MODELS)
def test_the_peak_is_within_a_quarter_of_the_estimate(workspace, model: str, batch_size: int):
    config = config_of(model, {"training": {"batch_size": batch_size, "device": "cuda"}})
    run = Run(workspace.runs / f"{model}-{batch_size}")
    run.folder.mkdir(parents=True)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    parts = loop.prepare(workspace, run, 1, lambda: None)
    windows = epoch_windows(parts.train.array, config, 1)
    full = windows.take(torch.arange(batch_size).remainder(len(windows)).numpy())
    for batch in range(3):
        take_step(parts, *training_batch(parts.train, full, 1, batch), Stride(step=batch + 1, rate=1e-4))
    measured = torch.cuda.max_memory_reserved() + estimates.CONTEXT_BYTES
    assert estimates.gpu_memory_bytes(config) == pytest.approx(measured, rel=0.25)
