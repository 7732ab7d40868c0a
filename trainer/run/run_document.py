"""The status of a run as scripts read it: what `--json`, hooks and webhooks give."""

from typing import Any

from trainer.run.documents import Progress
from trainer.run.runs import Status
from trainer.run.state import ACTIVE


def of(status: Status) -> dict[str, Any]:
    """Rates from 0 to 1, times in seconds, None where nothing is known yet."""
    progress = status.progress or Progress(attempt=1, beat=0, phase="")
    last, best = progress.last_epoch or {}, progress.best
    return {
        "run": status.run.id,
        "label": status.label,
        "state": status.state,
        "epoch": progress.epoch,
        "epochs": progress.epochs,
        "batch": progress.batch,
        "batches": progress.batches,
        "train_loss": progress.train_loss,
        "train_accuracy": progress.train_accuracy,
        **{name: last.get(name) for name in ("val_loss", "val_accuracy", "fpr", "fnr", "f1")},
        "clips_per_second": progress.clips_per_second,
        "eta_seconds": progress.eta_seconds if status.state in ACTIVE else None,
        "elapsed_seconds": progress.elapsed_seconds,
        "device": progress.device,
        "best": best and {**best.model_dump(), "checkpoint": str(status.run.checkpoints / best.checkpoint)},
        "outcome": status.outcome
        and {name: getattr(status.outcome, name) for name in ("state", "reason", "exit_code", "signal")},
        "folder": str(status.run.folder),
    }
