"""The verbs of the command line about runs as single files: pack, unpack."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from trainer.cli.terminal import AS_JOB, Session, Work, work_on, work_on_each
from trainer.cli.training import RUN
from trainer.run import run_archive, runs
from trainer.system import private
from trainer.system.job import Report

PATH: click.Path = click.Path(dir_okay=False, path_type=Path)


@click.command()
@RUN
@click.argument("file", metavar="FILE.zip", type=PATH)
@AS_JOB
@click.pass_obj
def pack(session: Session, run: str, file: Path, as_job: bool) -> None:
    """Write RUN with all that belongs to it into one new file, for another machine or to put away."""
    found = runs.find(session.workspace, run)
    if file.exists() and not as_job:
        raise ValueError(f"{file} exists; name a file that does not.")

    def work(report: Report) -> tuple[dict[str, Any], str]:
        with nullcontext() if as_job else private.as_user_shares():
            size = run_archive.pack(found, file, report).stat().st_size
        left = run_archive.left_out(found)
        document = {"run": found.id, "file": str(file), "bytes": size, "left_out": left}
        names = ", ".join(map(repr, left[:5])) + (f" and {len(left) - 5:,} more" if left[5:] else "")
        told = f" Not in it, as they are links or other systems cannot hold their names: {names}." if left else ""
        return document, f"Run {found.id} is in {file}, {size / 1e6:,.1f} MB.{told}"

    work_on(session, "pack", as_job, work)


@click.command()
@click.argument(
    "files", metavar="FILE.zip...", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path)
)
@AS_JOB
@click.pass_obj
def unpack(session: Session, files: tuple[Path, ...], as_job: bool) -> None:
    """Take in the run in each FILE.zip, which `pack` has made.

    A file that is none is told, the others are taken in, and the exit code is 2.
    """
    from trainer.run import run_import  # onnx takes a while to import

    def work(file: Path, report: Report) -> tuple[dict[str, Any], str]:
        with open(file, "rb") as packed:
            taken = run_import.unpack(session.workspace, packed, report)
        document = {"run": taken.run.id, "packed_id": taken.packed_id, "state": runs.status(taken.run).state}
        return document, run_import.sentence(taken)

    items: list[tuple[str, Work]] = [(str(file), partial(work, file)) for file in files]
    work_on_each(session, "unpack", as_job, items)


VERBS = (pack, unpack)
