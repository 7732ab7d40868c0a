"""Which epoch is the best one: by the measure that `training.best_by` names, between equals by validation loss."""

from __future__ import annotations

from trainer.documents import Best
from trainer.metrics import Row

NAMES = {"val_loss": "validation loss", "f1": "F1", "miss_rate": "miss rate"}


def is_better(row: Row, best: Best, by: str) -> bool:
    """Whether an epoch's row beats the best so far; one that was measured beats one that was not."""
    new, old = row.get(by), getattr(best, by)
    if (new is None) != (old is None):
        return old is None
    if new is None or old is None:
        return bool(row["val_loss"] < best.val_loss)
    return bool(((-new if by == "f1" else new), row["val_loss"]) < ((-old if by == "f1" else old), best.val_loss))


def best_of(row: Row, checkpoint: str) -> Best:
    """The epoch of this row as the best one."""
    named = {name: row.get(name) for name in ("epoch", "val_loss", "val_accuracy", "f1", "miss_rate")}
    return Best(**named, checkpoint=checkpoint)


def described(best: Best, by: str) -> str:
    """The measures of the best epoch, the one that was chosen first."""
    value = getattr(best, by)
    chosen = f"{NAMES[by]} {100 * value:.2f} %, " if by != "val_loss" and value is not None else ""
    return f"{chosen}validation loss {best.val_loss:.4f}"
