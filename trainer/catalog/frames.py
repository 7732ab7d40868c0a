"""Runs and their epochs as pandas frames, for notebooks and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.catalog import index, run_rows
from trainer.catalog.run_rows import Row, option
from trainer.run import metrics as rows_of
from trainer.run import runs
from trainer.run.runs import Run
from trainer.system.workspace import open_workspace

if TYPE_CHECKING:  # pandas takes half a second to import
    import pandas as pd


def table(root: str | Path | None = None) -> pd.DataFrame:
    """One row per run, newest first, by id: state, results of the best epoch and every option (`model.name`).

    Rates are from 0 to 1, times in seconds, unknown values NaN. `root` is the workspace, by default that of the command
    line. Raises FileNotFoundError when it does not exist.
    """
    import pandas as pd

    keys = run_rows.option_defaults()
    rows = index.update(open_workspace(root)).rows
    frame = pd.DataFrame([row._asdict() | {key: option(row, key) for key in keys} for row in rows])
    if frame.empty:
        return pd.DataFrame(columns=[*Row._fields[1:], *keys], index=pd.Index([], name="run"))
    for name in ("started", "ended"):
        frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
    return frame.drop(columns=["changed", "losses", "operating_point"]).set_index("run")


def metrics(run: str | Run, root: str | Path | None = None) -> pd.DataFrame:
    """One row per epoch of a run (an id, an unambiguous start of one, or `latest`), by epoch.

    The columns are those of metrics.jsonl and timing.jsonl. Raises ValueError when there is no such run, OSError.
    """
    import pandas as pd

    run = run if isinstance(run, Run) else runs.find(open_workspace(root), run)
    return pd.concat([_epochs(run.metrics_file), _epochs(run.timing_file)], axis=1).rename_axis("epoch")


def _epochs(path: Path) -> pd.DataFrame:
    """The rows of a file by epoch; of several rows for one epoch, the last."""
    import pandas as pd

    rows_of.read_to_end(tail := rows_of.Tail(), path)
    rows = {row["epoch"]: _plain(row) for row in tail.epochs if isinstance(row.get("epoch"), int)}
    return pd.DataFrame.from_dict(rows, orient="index").sort_index()


def _plain(row: rows_of.Row) -> dict[str, object]:
    """The row without bookkeeping and nested values."""
    return {
        name: value
        for name, value in row.items()
        if name not in ("crc", "v", "kind", "epoch") and not isinstance(value, (dict, list))
    }
