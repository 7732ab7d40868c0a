"""The table of files: one row for each file of the last scan, in data/scan.parquet; read whole, written at once."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from trainer.system import durable, regular_file
from trainer.system.workspace import Workspace

COLUMNS = {
    "path": "str", "size": "int64", "mtime_ns": "int64", "reason": "str", "message": "str", "seconds": "float64",
    "sample_rate": "int64", "channels": "int64", "format": "str", "subtype": "str",
    "length_wrong": "int64", "channel_fault": "str", "used_channel": "int64", "best_channel": "int64", "digest": "str",
    "peak_db": "float64", "level_db": "float64", "clipped": "float64", "offset": "float64", "lead_seconds": "float64",
    "tail_seconds": "float64", "fingerprint": "str", "near": "int64",
}  # fmt: skip
"""`path` below data/raw with / between its parts; `reason` and `message` are empty for a clip. `near` numbers sets of
clips that sound nearly the same; -1: alone. For the others see audio_file.AudioFacts and dataset.measures.Measures."""
_EMPTY: dict[str, Any] = {"str": "", "int64": 0, "float64": 0.0}
VERSION = b"2"


def scan_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A table of these rows, sorted by path; what a row lacks (a refused file has no sound) is empty."""
    columns = {name: [row.get(name, _EMPTY[kind]) for row in rows] for name, kind in COLUMNS.items()}
    table = pd.DataFrame(columns).astype(COLUMNS)
    return table.sort_values("path", ignore_index=True)


def save_table(workspace: Workspace, table: pd.DataFrame, partial: bool = False) -> None:
    """Replace the table at once. `partial`: what a cancelled scan got to know, only to be read by the next one."""
    arrow = pyarrow.Table.from_pandas(table[list(COLUMNS)], preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), b"version": VERSION})
    out = io.BytesIO()
    pyarrow.parquet.write_table(arrow, out, compression="zstd")
    file = workspace.partial_scan_file if partial else workspace.scan_file
    file.parent.mkdir(parents=True, exist_ok=True)
    durable.replace_bytes(file, out.getvalue())


def load_table(workspace: Workspace, partial: bool = False) -> pd.DataFrame | None:
    """The table of the last scan; None when there was none or its file is of no use (damaged, of another version)."""
    try:
        file = workspace.partial_scan_file if partial else workspace.scan_file
        with regular_file.open_binary(file) as opened:
            arrow = pyarrow.parquet.read_table(opened)
    except (OSError, pyarrow.ArrowException):
        return None
    if (arrow.schema.metadata or {}).get(b"version") != VERSION:
        return None
    return pd.DataFrame(arrow.to_pandas()).astype(COLUMNS)
