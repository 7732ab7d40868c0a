"""Which epoch is the best one."""

import pytest

from trainer.run import models
from trainer.run.documents import Best


def row(
    epoch: int, val_loss: float, f1: float | None = None, miss_rate: float | None = None, robust: float | None = None
) -> dict:
    return {
        "epoch": epoch, "val_loss": val_loss, "val_accuracy": 0.9, "f1": f1, "miss_rate": miss_rate,
        "robust_loss": robust,
    }  # fmt: skip


ROWS = [
    row(1, 0.5, 0.8, 0.2, 0.1), row(2, 0.6, 0.9, 0.2, 0.05), row(3, 0.4, 0.9, 0.3, 0.07), row(4, 0.45, 0.7, 0.2, 0.05),
]  # fmt: skip


@pytest.mark.parametrize(("by", "epoch"), [("val_loss", 3), ("f1", 3), ("miss_rate", 4), ("robust_loss", 2)])
def test_the_measure_decides_and_between_equals_the_validation_loss(by: str, epoch: int):
    best = None
    for one in ROWS:
        if best is None or models.is_better(one, best, by):
            best = models.best_of_row(one, f"epoch-{one['epoch']:05d}.pt")
    assert (best.epoch, best.checkpoint) == (epoch, f"epoch-{epoch:05d}.pt")


def test_an_equal_epoch_is_no_better():
    best = models.best_of_row(ROWS[0], "epoch-00001.pt")
    assert not any(models.is_better(ROWS[0], best, by) for by in models.MEASURES)


@pytest.mark.parametrize(("new", "old", "better"), [(None, 0.1, False), (0.9, None, True)])
def test_an_epoch_that_was_measured_beats_one_that_was_not(new: float | None, old: float | None, better: bool):
    best = models.best_of_row(row(1, 0.5, miss_rate=old), "epoch-00001.pt")
    for val_loss in (0.4, 0.6):
        assert models.is_better(row(2, val_loss, miss_rate=new), best, "miss_rate") == better


def test_while_none_was_measured_the_validation_loss_decides():
    best = models.best_of_row(row(1, 0.5), "epoch-00001.pt")
    assert models.is_better(row(2, 0.4), best, "miss_rate")
    assert not models.is_better(row(2, 0.6), best, "miss_rate")


def test_the_measure_is_named_first():
    best = models.best_of_row(row(1, 0.5, 0.912, 0.013), "epoch-00001.pt")
    assert models.describe_best(best, "val_loss") == "validation loss 0.5000"
    robust = models.best_of_row(row(1, 0.5, robust=0.25), "epoch-00001.pt", "robust_loss")
    assert models.describe_best(robust, robust.by) == "robust loss 0.2500, validation loss 0.5000"
    assert models.describe_best(best, "miss_rate") == "miss rate 1.30 %, validation loss 0.5000"
    assert models.describe_best(models.best_of_row(row(1, 0.5), "epoch-00001.pt"), "f1") == "validation loss 0.5000"


def test_the_measure_is_told_as_what_it_is_and_an_unknown_one_as_the_option():
    assert models.describe_measure("robust_loss") == "lowest robust loss (`training.best_by: robust_loss`)"
    assert models.describe_measure("f1").startswith("highest F1 ")
    for unknown in ("", None, "of_a_later_version"):
        assert models.describe_measure(unknown) == "the measure of `training.best_by`"


@pytest.mark.parametrize(("new", "better"), [(0.0993, False), (0.0991, True), (0.1, False), (0.05, True)])
def test_a_gain_of_the_robust_loss_must_be_worth_having(new: float, better: bool):
    best = models.best_of_row(row(1, 0.5, robust=0.1), "epoch-00001.pt")
    assert models.is_better(row(2, 0.4, robust=new), best, "robust_loss") == better


def test_documents_of_before_are_read():
    before = {"epoch": 2, "val_loss": 0.3, "val_accuracy": None, "checkpoint": "epoch-00002.pt", "f1": 0.9}
    best = Best.model_validate(before)
    assert (best.robust_loss, best.by) == (None, "")
    assert models.is_better(row(3, 0.9, robust=0.2), best, "robust_loss"), "measured beats not measured"
    assert not models.is_better(row(3, 0.9, robust=0.2), best, "val_loss")
