"""Which epoch is the best one: by the measure that `training.best_by` names, between equals by validation loss."""

from __future__ import annotations

from trainer.run.documents import Best
from trainer.run.metrics import Row

NAMES = {"robust_loss": "robust loss", "val_loss": "validation loss", "f1": "F1", "miss_rate": "miss rate"}

LEAST_GAIN = 0.008
"""The robust loss must fall by this part of it: what it gains less at the end of a training is not worth the wrong
labels of the training clips that are learned by heart meanwhile (measured: docs/experiments.md)."""


def is_better(row: Row, best: Best, by: str) -> bool:
    """Whether an epoch's row beats the best so far; one that was measured beats one that was not."""
    new, old = row.get(by), getattr(best, by)
    if (new is None) != (old is None):
        return old is None
    if new is None or old is None:
        return bool(row["val_loss"] < best.val_loss)
    if by == "robust_loss":
        return bool(new < old * (1 - LEAST_GAIN))
    return bool(((-new if by == "f1" else new), row["val_loss"]) < ((-old if by == "f1" else old), best.val_loss))


def best_of(row: Row, checkpoint: str, by: str = "") -> Best:
    """The epoch of this row as the best one by this measure."""
    named = {name: row.get(name) for name in ("epoch", "val_loss", "val_accuracy", "f1", "miss_rate", "robust_loss")}
    return Best(**named, checkpoint=checkpoint, by=by)


def measure(by: object) -> str:
    """A measure as a sentence names it: `lowest validation loss (val_loss)`; an unknown one is told as the option."""
    if by not in NAMES:
        return "the measure of `training.best_by`"
    return f"{'highest' if by == 'f1' else 'lowest'} {NAMES[str(by)]} (`training.best_by: {by}`)"


def described(best: Best, by: str) -> str:
    """The measures of the best epoch, the one that chose it first where it is known."""
    value = getattr(best, by) if by in NAMES else None
    if by == "val_loss" or value is None:
        return f"validation loss {best.val_loss:.4f}"
    shown = f"{value:.4f}" if by == "robust_loss" else f"{100 * value:.2f} %"
    return f"{NAMES[by]} {shown}, validation loss {best.val_loss:.4f}"
