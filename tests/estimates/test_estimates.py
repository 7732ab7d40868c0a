"""Estimates, and what they say of a machine."""

from dataclasses import replace
from typing import get_args

import pytest

from benchmarks.estimates import VARIANTS, config_of, described
from tests.tiny import make_workspace
from trainer.audio import manifest
from trainer.config import config_file
from trainer.config.schema import Config, Model
from trainer.estimates import model_size, requirements
from trainer.estimates.requirements import Machine
from trainer.system.workspace import Workspace

MEASURED = {
    "tc_resnet": (893, 908, 1216, 931, 1064, 958, 901),
    "bc_resnet": (1000, 1330, 2319, 1767, 1803, 2322, 1049),
    "resnet18": (1193, 1458, 2356, 2547, 1667, 2350, 1030),
}
"""Peak memory in MB of a real training, printed by `python -m benchmarks.estimates`."""
MEASURED_AT_64_AND_256 = {
    "mobilenet_v3_small": (1020, 1430),
    "tcn": (908, 989),
    "lstm": (826, 1043),
    "gru": (890, 1047),
    "dense": (871, 992),
    "conv_attention": (848, 989),
}
"""The same of the models that came later, at two batch sizes, on 480 clips and with an epoch of one batch or two."""
LARGE = Machine(cores=2, memory_total=64 * 10**9, memory_free=60 * 10**9, disk_free=10**12)
GPU = replace(LARGE, gpu_name="A GPU", gpu_memory_total=8 * 10**9, gpu_memory_free=8 * 10**9)


def told(config: Config, here: Machine) -> dict[str, str]:
    return {problem.option: problem.message for problem in requirements.warnings(config, here)}


@pytest.mark.parametrize("model", list(MEASURED))
def test_memory_is_within_a_quarter_of_what_was_measured(model: str):
    for variant, measured in zip(VARIANTS, MEASURED[model], strict=True):
        estimate = requirements.memory_bytes(config_of(model, variant)) / 1e6
        assert abs(estimate / measured - 1) < 0.25, (described(variant), estimate, measured)


@pytest.mark.parametrize("model", list(MEASURED_AT_64_AND_256))
def test_memory_follows_the_batch_size_for_every_model(model: str):
    for batch_size, measured in zip((64, 256), MEASURED_AT_64_AND_256[model], strict=True):
        config = config_of(model, {"training": {"batch_size": batch_size}})
        estimate = requirements.memory_bytes(config) / 1e6
        assert abs(estimate / measured - 1) < 0.25, (batch_size, estimate, measured)


def test_every_model_has_its_figures():
    names = set(model_size.MODELS)
    assert names == set(requirements._KERNEL_BYTES) == set(requirements._BYTES_PER_ACTIVATION)
    assert names == set(get_args(Model.model_fields["name"].annotation))


def test_a_batch_that_does_not_fit_is_told_with_one_that_does():
    config = config_file.build({"model": {"name": "bc_resnet"}, "training": {"batch_size": 4096}})
    small = replace(LARGE, memory_free=4 * 10**9)
    fits = requirements.batch_size_that_fits(config, small)
    sentence = told(config, small)["training.batch_size"]
    assert "has 4.0 GB free" in sentence and f"batch size {fits:,} fits and {2 * fits:,} does not" in sentence
    for size, does in ((fits, True), (2 * fits, False)):
        other = config_file.build({"model": {"name": "bc_resnet"}, "training": {"batch_size": size}})
        assert (requirements.memory_bytes(other) <= small.memory_free) == does
    assert "no batch size fits" in requirements.fitting_sentence(config, replace(LARGE, memory_free=10**8))
    assert "up to 8,192 fits" in requirements.fitting_sentence(Config(), LARGE)


def test_a_gpu_counts_its_own_memory():
    config = config_file.build({"model": {"name": "resnet18"}, "training": {"batch_size": 8192}})
    assert "A GPU has 8.0 GB free" in told(config, GPU)["training.batch_size"]
    assert "model.name" not in told(config, GPU) and "model.name" in told(config, LARGE)
    on_cpu = config_file.build({"training": {"device": "cpu"}})
    assert not requirements.on_gpu(on_cpu, GPU) and requirements.on_gpu(Config(), GPU)


@pytest.mark.parametrize(
    ("document", "option"),
    [
        ({"training": {"patience": 40}}, "training.patience"),
        ({"training": {"threads": 64}}, "training.threads"),
        ({"training": {"start_from": "latest"}}, "optimizer.learning_rate"),
    ],
)
def test_what_is_likely_not_meant_is_a_warning(document: dict, option: str):
    assert list(told(config_file.build(document), LARGE)) == [option]
    assert told(Config(), LARGE) == {}


def test_clips_are_counted_apart(tmp_path):
    assert requirements.clip_bytes(Workspace(tmp_path)) == 0
    workspace = make_workspace(tmp_path)
    parts = manifest.read_splits(workspace)
    seconds = sum(clip.seconds for part in ("train", "val") for clip in parts[part])
    clips = requirements.clip_bytes(workspace)
    assert clips == pytest.approx(32_000 * seconds)
    assert requirements.estimate(Config(), clips).memory_bytes == requirements.memory_bytes(Config()) + clips


def test_a_disk_that_is_too_small_is_told():
    assert "MB of disk" in told(Config(), replace(LARGE, disk_free=10**6))["training.epochs"]


@pytest.mark.parametrize("name", config_file.presets())
def test_every_preset_has_an_estimate(name: str):
    found = requirements.estimate(config_file.preset(name))
    assert found.parameters > 0 and found.memory_bytes > 5e8 and found.disk_bytes > 1e6
