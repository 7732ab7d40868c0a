"""Runs that will start from a model of another one, and need it until they have begun."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.catalog import index
from trainer.catalog.row import Row
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace


def of(workspace: Workspace, run: Run, listed: Sequence[Row] | None = None) -> dict[str, str]:
    """The ids of the runs that wait to start from a model of this one, and the stems of the checkpoints that they name
    (empty for the best one).

    `listed` are the rows of all runs, where they are at hand.
    """
    rows = index.look(workspace).rows if listed is None else listed
    found = {}
    for row in rows:
        begun = row.epoch or row.state not in ACTIVE | {"paused"}
        run_id, _, stem = str(row.changed.get("training.start_from", "")).partition("/")
        if run_id == run.id and not begun:
            found[row.run] = stem
    return found
