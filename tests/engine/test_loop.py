"""The loop inside one process: what a bad loss does, what the options reach, what is written."""

import math

import pytest
import torch

from tests.tiny import make_workspace, tiny_config
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.engine.data import clips
from trainer.engine.training import checkpoints, epoch, loop
from trainer.run import metrics
from trainer.run.runs import Run
from trainer.system import durable
from trainer.system.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"))


def prepared(workspace: Workspace, config: Config, name: str, read_request=lambda: None) -> loop.Session:
    run = Run(workspace.runs / name)
    run.folder.mkdir(parents=True)
    durable.replace_bytes(run.config_file, config_file.dump(config))
    return loop.prepare(workspace, run, 1, read_request)


def test_a_tiny_task_is_learned_and_every_epoch_is_written(workspace: Workspace):
    session = prepared(workspace, tiny_config(epochs=20), "learned")
    assert loop.train(session).state == "completed"
    tail = metrics.Tail()
    metrics.read_more(tail, session.run.metrics_file)
    last, best = tail.epochs[-1], min(tail.epochs, key=lambda row: row["val_loss"])
    assert last["train_accuracy"] > 0.9 and best["f1"] > 0.95 and best["fpr"] < 0.1
    heard = {row["epoch"]: row["miss_rate"] for row in tail.epochs if "miss_rate" in row}
    assert list(heard) == [5, 10, 15, 20] and session.journal.progress.last_stream["epoch"] == 20
    assert heard[20] < 0.5 and last["stream_words"] == 4 * (last["true_positives"] + last["false_negatives"])
    counts = ("true_positives", "false_positives", "true_negatives", "false_negatives")
    assert sum(last[name] for name in counts) == len(session.val_windows)
    assert last["learning_rate"] == pytest.approx(0, abs=1e-9)
    metrics.read_more(timing := metrics.Tail(), session.run.timing_file)
    assert [row["epoch"] for row in timing.epochs] == list(range(1, 21)) and timing.epochs[-1]["clips_per_second"] > 0
    mark = durable.read_json(session.run.checkpoints / "epoch-00020.pt.json")
    assert mark["metrics_offset"] == session.run.metrics_file.stat().st_size


def test_the_best_checkpoint_scores_what_its_epoch_scored(workspace: Workspace):
    session = prepared(workspace, tiny_config(epochs=3), "best")
    loop.train(session)
    best = session.journal.progress.best
    session.model.load_state_dict(checkpoints.load(session.run.checkpoints, best.checkpoint)["model"])
    logit = epoch.score(session.model, session.val, session.val_windows, lambda *progress: None)
    again = epoch.validate(logit, session.val_windows, session.config)
    assert again["val_loss"] == pytest.approx(best.val_loss, rel=1e-6)


def test_a_loss_that_is_no_number_ends_the_run_and_spares_the_best_model(workspace: Workspace):
    session = prepared(workspace, tiny_config(epochs=1), "nan")
    loop.train(session)
    before = (session.run.checkpoints / "epoch-00001.pt").read_bytes()
    with torch.no_grad():
        next(session.model.parameters()).fill_(math.nan)
    with pytest.raises(ValueError, match=r"became nan in epoch 1, batch 1 \(step 1\), at learning rate .* \(clips .*/"):
        loop.train(session)
    assert (session.run.checkpoints / "epoch-00001.pt").read_bytes() == before


def test_early_stopping_waits_as_long_as_it_was_told(workspace: Workspace, monkeypatch):
    losses = iter([0.5, 0.4, 0.45, 0.41, 0.3])
    monkeypatch.setattr("trainer.engine.training.epoch.validate", lambda *rest: fixed_row(next(losses)))
    session = prepared(workspace, tiny_config(epochs=9, patience=2, best_by="val_loss"), "early")
    end = loop.train(session)
    assert end.state == "completed" and "no better validation loss for 2 epochs" in end.reason
    assert session.journal.progress.epoch == 4 and session.journal.progress.best.epoch == 2


def test_a_validation_loss_that_is_no_number_ends_the_run_and_spares_the_best_model(workspace: Workspace, monkeypatch):
    losses = iter([0.5, math.nan])
    monkeypatch.setattr("trainer.engine.training.epoch.validate", lambda *rest: fixed_row(next(losses)))
    session = prepared(workspace, tiny_config(epochs=3), "nan-validation")
    with pytest.raises(ValueError, match="validation loss became nan after epoch 2; the best model is of epoch 1"):
        loop.train(session)
    assert durable.read_json(session.run.checkpoints / "best.json")["epoch"] == 1
    tail = metrics.Tail()
    metrics.read_more(tail, session.run.metrics_file)
    assert tail.epochs[-1]["val_loss"] is None and tail.epochs[-1]["nonfinite"] == ["val_loss"]


def fixed_row(loss: float, miss_rate: float | None = None) -> dict:
    rates = dict.fromkeys(("val_accuracy", "fpr", "fnr", "f1"), 0.5)
    return {"val_loss": loss, "miss_rate": miss_rate, **rates}


@pytest.mark.parametrize(
    ("miss_rates", "epoch", "told"),
    [
        ((0.1, 0.3, 0.2), 1, "New best model: epoch 1, miss rate 10.00 %, validation loss 0.5000"),
        ((None, 0.3, None), 2, "New best model: epoch 2, miss rate 30.00 %, validation loss 0.4000"),
    ],
)
def test_the_best_model_is_that_of_the_measure_that_was_asked_for(
    workspace: Workspace, monkeypatch, capsys, miss_rates: tuple[float | None, ...], epoch: int, told: str
):
    rows = iter(zip((0.5, 0.4, 0.45), miss_rates, strict=True))
    monkeypatch.setattr("trainer.engine.training.epoch.validate", lambda *rest: fixed_row(*next(rows)))
    monkeypatch.setattr(
        "trainer.engine.training.validation.stream_due", lambda *rest: False
    )  # the rows have it already
    config = tiny_config(epochs=3, best_by="miss_rate", patience=3 - epoch)
    session = prepared(workspace, config, f"best-by-{epoch}")
    end = loop.train(session)
    best = durable.read_json(session.run.checkpoints / "best.json")
    assert best["epoch"] == epoch and best["miss_rate"] == miss_rates[epoch - 1]
    assert capsys.readouterr().out.count(told) == 1 and f"no better miss rate for {3 - epoch} epoch" in end.reason


def test_clips_are_laid_out_once_and_as_they_are(workspace: Workspace):
    session = prepared(workspace, tiny_config(), "array")
    array, told = session.train.array, []
    used = [*array.clips, *session.val.array.clips]
    again = clips.prepare(workspace, used, lambda *progress: told.append(progress))
    assert len(again.clips) == len(used)
    for index in (0, len(array.clips) - 1):
        wave = clips.audio_file.read_16k(workspace.raw / array.clips[index].path)
        stored = array.samples[array.starts[index] :][: array.lengths[index]] / clips.FULL_SCALE
        assert abs(stored - wave).max() < 1 / 32000
    told.clear()
    clips.prepare(workspace, used, lambda *progress: told.append(progress))
    assert told == [], "the second time nothing is read"


def test_stop_is_heard_while_clips_are_read_and_leaves_nothing_half_done(tmp_path):
    fresh = make_workspace(tmp_path)
    with pytest.raises(loop.EndedEarlyError, match=r"Stopped by the user during preparation; no epoch") as stopped:
        prepared(fresh, tiny_config(), "early", lambda: "stop")
    assert stopped.value.journal.progress.doing.startswith("Reading clips: 1 of")
    assert not list(fresh.cache.iterdir())


def test_the_device_that_is_asked_for_must_be_there():
    assert loop.choose_device("cpu").type == "cpu"
    assert loop.choose_device("auto").type == "cpu"
    with pytest.raises(ValueError, match="no GPU was found"):
        loop.choose_device("cuda")
