"""Runs and their epochs as pandas frames, for notebooks and scripts: two lines from a question to its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainer.catalog import index, run_rows
from trainer.catalog.run_rows import Row, option
from trainer.run import metrics as rows_of
from trainer.run import runs
from trainer.run.runs import Run
from trainer.system.workspace import open_workspace

if TYPE_CHECKING:  # pandas takes half a second to import, which only who asks for a frame shall wait for
    import pandas as pd


def table(root: str | Path | None = None) -> pd.DataFrame:
    """Every run, newest first, one a line by its id: state, results of the best epoch and every option (`model.name`).

    Rates are from 0 to 1, times in seconds, NaN where nothing is known. `root` is the workspace, else it is found as
    the command line finds it. Raises FileNotFoundError when it does not exist.
    """
    import pandas as pd

    keys = run_rows.option_defaults()
    found = index.look(open_workspace(root)).rows
    frame = pd.DataFrame([row._asdict() | {key: option(row, key) for key in keys} for row in found])
    if frame.empty:
        return pd.DataFrame(columns=[*Row._fields[1:], *keys], index=pd.Index([], name="run"))
    for name in ("started", "ended"):
        frame[name] = pd.to_datetime(frame[name], unit="s", utc=True)
    return frame.drop(columns=["changed", "losses", "operating_point"]).set_index("run")


def metrics(run: str | Run, root: str | Path | None = None) -> pd.DataFrame:
    """The epochs of a run (an id, an unambiguous start of one, `latest`), one a line by its number.

    What metrics.jsonl tells, and beside it the seconds and speed of timing.jsonl. Raises ValueError where there is no
    such run, OSError.
    """
    import pandas as pd

    found = run if isinstance(run, Run) else runs.find(open_workspace(root), run)
    return pd.concat([_epochs(found.metrics_file), _epochs(found.timing_file)], axis=1).rename_axis("epoch")


def _epochs(path: Path) -> pd.DataFrame:
    """The rows of a file by their epoch; of those that tell one twice the later counts."""
    import pandas as pd

    rows_of.read_to_end(tail := rows_of.Tail(), path)
    rows = {row["epoch"]: _plain(row) for row in tail.epochs if isinstance(row.get("epoch"), int)}
    return pd.DataFrame.from_dict(rows, orient="index").sort_index()


def _plain(row: rows_of.Row) -> dict[str, object]:
    """Without what only the file needs, and what is nested."""
    return {
        name: value
        for name, value in row.items()
        if name not in ("crc", "v", "kind", "epoch") and not isinstance(value, (dict, list))
    }
