"""How near the loop comes to its model on a GPU."""

import pytest

from tests import bench


@pytest.mark.parametrize("model", bench.MODELS)
def test_preparing_batches_costs_no_more_than_the_model_does(tmp_path, model: str):
    """In small batches both are a matter of how quickly one core asks for work, so they share their time; 0.52 of what
    the model alone would do was the least on an H200."""
    workspace = bench.made_up(tmp_path, voices=60)
    assert bench.measure(bench.prepared(workspace, bench.config_of(model))).ratio >= 0.45
