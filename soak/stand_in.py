"""A stand-in trainer that writes the files of a run and learns nothing; it starts ten times as fast as torch.

python -m soak.stand_in RUN_FOLDER ATTEMPT SUPERVISOR_PID
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.run_folders import epoch_row
from trainer.config import config_file
from trainer.run import metrics, runs
from trainer.run.documents import Progress
from trainer.run.runs import Run
from trainer.system import durable, processes

BATCHES = 4
BATCH_SECONDS = 0.08


def _tell(run: Run, attempt: int, **changes: Any) -> None:
    progress = Progress(attempt=attempt, beat=processes.boot_clock(), **({"phase": "training"} | changes))
    durable.replace_json(run.progress_file, progress.model_dump())


def _go_on(run: Run, attempt: int) -> int:
    """Number of completed epochs; rows after the last checkpoint are dropped. A first attempt has none."""
    marks = sorted(run.checkpoints.glob("epoch-*.json")) if attempt > 1 else []
    facts: Any = durable.read_json(marks[-1]) if marks else {"epoch": 0, "metrics_offset": 0}
    if attempt > 1:
        metrics.cut_back(run.metrics_file, facts["metrics_offset"])
    return facts["epoch"]


def _finish_epoch(run: Run, epoch: int) -> None:
    metrics.append(run.metrics_file, epoch_row(epoch))
    run.checkpoints.mkdir(exist_ok=True)
    data = run.checkpoints / f"epoch-{epoch:05d}.pt"
    durable.replace_bytes(data, b"weights" * 1000)
    facts = {"epoch": epoch, "metrics_offset": durable.settle(run.metrics_file)}
    durable.replace_json(data.with_name(f"{data.name}.json"), facts)


def main(folder: str, number: str, supervisor: str) -> int:
    processes.die_with_parent(int(supervisor))
    run, attempt, signals = Run(Path(folder)), int(number), []
    signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))

    def read_request() -> str | None:
        if os.getppid() != int(supervisor):
            os._exit(1)
        return "stop" if signals else runs.wanted(run, attempt)

    epochs = config_file.load(run.config_file).training.epochs
    for epoch in range(_go_on(run, attempt) + 1, epochs + 1):
        for batch in range(BATCHES):
            time.sleep(BATCH_SECONDS)
            _tell(run, attempt, epoch=epoch, epochs=epochs, batch=batch)
            if read_request() in ("pause", "stop"):
                ended = "paused" if read_request() == "pause" else "stopped"
                _tell(run, attempt, epoch=epoch, epochs=epochs, phase="ended", ended=ended, reason="As asked.")
                return 0
        _finish_epoch(run, epoch)
        if read_request() == "stop_after_epoch" and epoch < epochs:
            _tell(run, attempt, epoch=epoch, epochs=epochs, phase="ended", ended="stopped", reason="As asked.")
            return 0
    _tell(run, attempt, epoch=epochs, epochs=epochs, phase="ended", ended="completed", reason="All epochs done.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
