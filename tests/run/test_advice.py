"""What to try after each kind of failure."""

from typing import get_args

import pytest

from tests import fork_server, run_folders
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.estimates import requirements
from trainer.run import failures
from trainer.run.documents import Failure, FailureKind
from trainer.system.workspace import Workspace

LARGE = config_file.build({"model": {"name": "resnet18"}, "training": {"batch_size": 1000}})


@pytest.mark.parametrize("kind", [kind for kind in get_args(FailureKind) if kind != "other"])
def test_every_kind_has_something_to_try(kind: FailureKind):
    for config in (Config(), None):
        found = failures.advice_on(Failure(kind=kind), config)
        assert found and all(text.endswith(".") and "{" not in text for text in found)
    assert failures.advice_on(Failure(kind="other"), Config()) == []


def test_full_gpu_memory_names_the_batch_size_that_fits_into_what_there_was():
    failure = Failure(kind="gpu_memory", free_bytes=2 * 10**9)
    fits = failures.fitting_batch_size(failure, LARGE)
    smaller, larger = (
        LARGE.model_copy(update={"training": LARGE.training.model_copy(update={"batch_size": size})})
        for size in (fits, 2 * fits)
    )
    there = 2e9 + requirements.CONTEXT_BYTES
    assert requirements.gpu_memory_bytes(smaller) <= there < requirements.gpu_memory_bytes(larger)
    first = failures.advice_on(failure, LARGE)[0]
    assert f"training.batch_size {fits} instead of 1000," in first and "the 2.0 GB that were free on the GPU" in first


def test_the_batch_size_is_smaller_than_what_failed_whatever_the_estimate_says():
    plenty = Failure(kind="host_memory", free_bytes=10**12)
    for size, fits in ((2, 0), (3, 2), (64, 32), (65, 64), (1000, 512)):
        training = LARGE.training.model_copy(update={"batch_size": size})
        config = LARGE.model_copy(update={"training": training})
        assert failures.fitting_batch_size(plenty, config) == fits
        assert failures.fitting_batch_size(Failure(kind="gpu_memory"), config) == fits
    assert "smaller model" in failures.advice_on(Failure(kind="host_memory", free_bytes=10**6), LARGE)[0]


def test_a_full_disk_tells_how_much_is_missing_and_where():
    (text,) = failures.advice_on(
        Failure(kind="disk_full", path="/data/runs/x/metrics.jsonl", free_bytes=10**6), Config()
    )
    need = requirements.least_disk_bytes(Config()) / 1e6
    assert f"Free {need - 1:,.0f} MB on the disk that holds /data/runs/x/metrics.jsonl" in text and "1.0 MB" in text


def test_a_missing_clip_is_named():
    assert (
        "positive/anna/1.wav" in failures.advice_on(Failure(kind="clip_missing", path="positive/anna/1.wav"), None)[0]
    )


def test_the_command_line_tells_what_to_try(tmp_path):
    run = run_folders.make_run(Workspace(tmp_path))
    told = fork_server.command("--root", tmp_path, "status", run.id).stdout
    assert f"{run.id}: lost" in told and "\ntry: The machine was switched off" in told
