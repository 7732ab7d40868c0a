"""Trainings on a GPU: exact for every model, in every kind of number, and from one device to the other."""

import dataclasses

import pytest
import torch

from benchmarks.training_speed import MODELS, ON_EMBEDDINGS
from soak import forked
from tests.tiny import make_workspace, tiny_config
from trainer.config import config_file
from trainer.config.schema import EMBEDDING_WINDOW_SECONDS, Config
from trainer.engine.data.batches import training_batch
from trainer.engine.training import loop
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("gpu"))


def config_of(model: str = "tc_resnet", **training: object) -> Config:
    """A short training on the GPU with all that has a state (mining, averaging, gathered batches, a plateau), and with
    every augmentation."""
    document = forked.config_of(0.0).model_dump()
    document["model"] = {"name": model, "width": 0.5, "dropout": 0.2}
    document["augmentation"] |= {key: 0.5 for key in document["augmentation"] if key.endswith("_probability")}
    if model in ON_EMBEDDINGS:
        document["features"] = {"kind": "speech_embedding"}
        document["data"] |= {"window_seconds": EMBEDDING_WINDOW_SECONDS, "mined_share": 0.0}
    document["training"] |= {"epochs": 3, "device": "cuda", "threads": 2} | training
    return config_file.build(document)


def prepared(workspace: Workspace, run: Run, attempt: int = 1) -> loop.Session:
    return loop.prepare(workspace, run, attempt, lambda: None)


def whole(workspace: Workspace, config: Config, name: str) -> Run:
    """A run that was trained in one go."""
    run = forked.make_run(workspace, name, config)
    assert loop.train(prepared(workspace, run)).state == "completed"
    return run


def broken_off(workspace: Workspace, config: Config, name: str) -> Run:
    """A run that was stopped in its second epoch."""
    run = forked.make_run(workspace, name, config)
    session = prepared(workspace, run)

    def read_request() -> str | None:
        return "stop" if (session.journal.progress.epoch, session.journal.progress.batch) == (2, 2) else None

    assert loop.train(dataclasses.replace(session, read_request=read_request)).state == "stopped"
    return run


def rows(run: Run) -> list[dict]:
    metrics.read_to_end(tail := metrics.Tail(), run.metrics_file)
    return tail.epochs


@pytest.mark.parametrize("model", MODELS)
def test_a_resume_ends_with_the_bytes_of_one_go(workspace: Workspace, model: str):
    expected = forked.result(whole(workspace, config_of(model), f"{model}-one-go"))
    run = broken_off(workspace, config_of(model), f"{model}-broken-off")
    assert loop.train(prepared(workspace, run, 2)).state == "completed"
    assert forked.differing(run, expected) == []


def test_a_gpu_learns_the_same_task(workspace: Workspace):
    session = prepared(workspace, forked.make_run(workspace, "learned", tiny_config(epochs=6, device="cuda")))
    assert loop.train(session).state == "completed"
    assert session.journal.progress.last_epoch["f1"] > 0.95
    assert session.journal.progress.reading["gpu_name"]


@pytest.mark.parametrize("kind", ["log_mel", "mfcc", "pcen"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_kind_of_features_and_numbers_learns(workspace: Workspace, kind: str, precision: str):
    document = tiny_config(epochs=12, device="cuda", precision=precision).model_dump()
    document["features"] = {"kind": kind, "normalisation": "data_set"}
    run = whole(workspace, config_file.build(document), f"{kind}-{precision}")
    assert max(row["f1"] for row in rows(run)) > 0.95


def test_float16_goes_on_with_the_scale_that_it_had(workspace: Workspace):
    config = config_of(precision="float16")
    expected = forked.result(whole(workspace, config, "float16-one-go"))
    run = broken_off(workspace, config, "float16-broken-off")
    loop.train(prepared(workspace, run, 2))
    assert forked.differing(run, expected) == []


@pytest.mark.filterwarnings("ignore")  # torch's compiler warns of itself, and that float32 could be less exact
def test_compiled_and_inexact_it_learns(workspace: Workspace):
    config = tiny_config(epochs=12, device="cuda", exact=False, compile=True)
    assert max(row["f1"] for row in rows(whole(workspace, config, "compiled"))) > 0.95


def test_clips_lie_on_the_gpu_unless_it_has_no_room(workspace: Workspace, monkeypatch, capsys):
    session = prepared(workspace, forked.make_run(workspace, "room", config_of()))
    assert session.train.bank is not None and session.train.bank is session.val.bank
    expected = training_batch(session.train, session.val_windows, 1, 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**6, 10**10))
    full = prepared(workspace, forked.make_run(workspace, "no-room", config_of()))
    assert full.train.bank is None and "of clips stay in main memory" in capsys.readouterr().out
    found = training_batch(full.train, session.val_windows, 1, 0)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("first", ["cuda", "cpu"])
def test_it_goes_on_on_another_device_and_says_what_is_not_promised(
    workspace: Workspace, monkeypatch, capsys, first: str
):
    found = torch.cuda.is_available

    def on(device: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", found if device == "cuda" else lambda: False)

    on(first)
    run = broken_off(workspace, config_of(device="auto"), f"begun-on-{first}")
    on("cpu" if first == "cuda" else "cuda")
    session = prepared(workspace, run, 2)
    assert session.train.device.type != first
    assert "The result may differ from that of an uninterrupted run" in capsys.readouterr().out
    assert loop.train(session).state == "completed"
    assert [row["epoch"] for row in rows(run)] == [1, 2, 3]
