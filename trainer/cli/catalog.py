"""Commands about the workspace: runs, note, trash, restore, empty-trash, free-space, tensorboard, token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from trainer.catalog import disk, index, notes, reading, run_rows, search, trash
from trainer.catalog.run_rows import Row, point_of
from trainer.cli.run import RUN, state_document
from trainer.cli.terminal import Session, show
from trainer.evaluation import headline, point_text
from trainer.run import runs, tensorboard
from trainer.run.runs import Run
from trainer.system import access_token
from trainer.system.display_text import counted


@click.command(name="token")
@click.pass_obj
def token_verb(session: Session) -> None:
    """Print the access token of the app, as stored in the workspace; a token in WAKEWORD_TOKEN is not stored."""
    token = access_token.read(session.workspace)
    show(session, {"token": token, "file": str(access_token.file_of(session.workspace))}, token)


@click.command(name="tensorboard")
@click.option("--stop", is_flag=True, help="Stop TensorBoard.")
@click.pass_obj
def tensorboard_verb(session: Session, stop: bool) -> None:
    """Start TensorBoard for all runs on 127.0.0.1 if it is not running, and print its address."""
    if stop:
        stopped = tensorboard.stop(session.workspace)
        show(session, {"stopped": stopped}, "TensorBoard has stopped." if stopped else "TensorBoard is not running.")
        return
    tensorboard.start(session.workspace)
    address = tensorboard.wait(session.workspace).address
    command = tensorboard.command(session.workspace)
    text = (
        f"TensorBoard: {address}\nStop it with: python -m trainer tensorboard --stop\nStart it yourself with: {command}"
    )
    show(session, {"address": address, "command": command}, text)


def _document(session: Session, row: Row) -> dict[str, Any]:
    """A row of the list with the status of its run."""
    run = runs.by_id(session.workspace, row.run)
    document = row._asdict() | headline.documents(point_of(row))
    return document | (state_document(session, runs.status(run)) if run else {})


def _line(row: Row) -> str:
    point = point_of(row)
    loss = "-" if row.val_loss is None else f"{row.val_loss:.4f}"
    marks = ("*" if row.starred else "") + "".join(f" #{tag}" for tag in row.tags)
    problem = f"  ({row.problem})" if row.problem else ""
    return (
        f"{row.run:20}  {row.state:12} {row.epoch:4}/{row.epochs:<4} {loss:>8} {point_text.threshold(point):>9}"
        f" {point_text.miss_rate(point):>9} {point_text.false_accepts_per_hour(point):>14}"
        f"  {point_text.measured_on(point):38}  {row.label}{marks}{problem}"
    )


def _table(rows: Sequence[Row], total: int) -> str:
    if not total:
        return "No runs yet. Start one with: python -m trainer train recommended"
    head = f"{'run':20}  {'state':12} {'epochs':9} {'val loss':>8} {'threshold':>9} {'miss rate':>9}"
    head += f" {'false acc. / h':>14}  {'measured on':38}  label"
    return "\n".join([head, *map(_line, rows), f"{len(rows):,} of {counted(total, 'run')}"])


@click.command(name="runs", context_settings={"ignore_unknown_options": True})  # a term may begin with a -
@click.argument("query", nargs=-1)
@click.option("--sort", default="", help="Sort by this field or option, best or newest first.")
@click.option("--reverse", is_flag=True, help="Reverse the order.")
@click.option("--archived", is_flag=True, help="Include archived runs.")
@click.option("--trash", "in_trash", is_flag=True, help="List the trash instead.")
@click.pass_obj
def runs_verb(
    session: Session, query: tuple[str, ...], sort: str, reverse: bool, archived: bool, in_trash: bool
) -> None:
    """List all runs, newest first, or those that match QUERY: model.name=bc_resnet "val_loss<0.2" tag:night -words."""
    if wrong := next((term for term in query if term.startswith("--")), None):
        raise click.NoSuchOption(wrong)
    every = trash.rows(session.workspace) if in_trash else index.update(session.workspace).rows
    rows = search.find(every, " ".join(query), archived or in_trash)
    if sort:
        rows = run_rows.sorted_by(rows, sort, reverse)
    elif reverse:
        rows.reverse()
    with_status = session.as_json and not in_trash  # reads the folder of each run
    documents = [_document(session, row) if with_status else row._asdict() for row in rows]
    show(session, documents, _table(rows, len(every)))


@click.command()
@RUN
@click.option("--name", default=None, help="A new name; an empty one restores the original name.")
@click.option("--tag", "tags", multiple=True, help="A tag to add.")
@click.option("--untag", "untags", multiple=True, help="A tag to remove.")
@click.option("--note", "text", default=None, help="A new note, which replaces the old one.")
@click.option("--star/--no-star", default=None, help="Star the run.")
@click.option("--archive/--no-archive", default=None, help="Hide the run from lists, or show it again.")
@click.pass_obj
def note(
    session: Session,
    run: Run,
    name: str | None,
    tags: tuple[str, ...],
    untags: tuple[str, ...],
    text: str | None,
    star: bool | None,
    archive: bool | None,
) -> None:
    """Edit the name, tags, note, star or archived state of RUN, and print them."""
    options = {"name": name, "note": text, "starred": star, "archived": archive}
    changes: dict[str, object] = {key: value for key, value in options.items() if value is not None}
    noted = notes.change(run, add=tags, remove=untags, **changes) if changes or tags or untags else notes.read(run)
    words = [f"{run.id}  {runs.status(run).label}", *(f"#{tag}" for tag in noted.tags)]
    words += [word for word, holds in (("starred", noted.starred), ("archived", noted.archived)) if holds]
    show(session, {"run": run.id, **noted.model_dump()}, "  ".join(words) + (f"\n{noted.note}" if noted.note else ""))


@click.command(name="trash")
@RUN
@click.pass_obj
def trash_verb(session: Session, run: Run) -> None:
    """Move RUN (an id, an unambiguous start of one, or `latest`) to the trash; `restore` brings it back."""
    trashed = trash.add(session.workspace, run)
    text = f"{run.id} is in the trash. Restore it with: python -m trainer restore {trashed.id}"
    show(session, {"run": run.id, "folder": str(trashed.folder)}, text)


@click.command()
@click.argument("run", metavar="RUN")
@click.pass_obj
def restore(session: Session, run: str) -> None:
    """Restore RUN (its id, or an unambiguous start of it) from the trash."""
    restored = trash.restore(session.workspace, trash.find(session.workspace, run))
    show(session, {"run": restored.id, "folder": str(restored.folder)}, f"Restored {restored.id}.")


@click.command(name="empty-trash")
@click.pass_obj
def empty_trash(session: Session) -> None:
    """Delete the runs in the trash permanently."""
    freed = sum(reading.disk_usage(run).total for run in trash.all_of(session.workspace))
    count = trash.empty(session.workspace)
    show(session, {"deleted": count, "bytes": freed}, f"{counted(count, 'run')} deleted, {freed / 1e6:,.1f} MB freed.")


@click.command(name="free-space")
@RUN
@click.option("--now", is_flag=True, help="Delete them instead of listing them.")
@click.pass_obj
def free_space(session: Session, run: Run, now: bool) -> None:
    """List the old checkpoints of RUN that can be deleted (all but the best and the last), or delete them."""
    freed = disk.free(run) if now else disk.freeable(run)
    names, kept = [path.name for path in freed.files], list(freed.kept)
    document = {"run": run.id, "bytes": freed.size_bytes, "files": names, "kept": kept, "done": now}
    head = "Deleted" if now else "Can be deleted"
    text = f"{head}: {', '.join(names) or 'nothing'} ({freed.size_bytes / 1e6:,.1f} MB)"
    show(session, document, f"{text}\nKept: {', '.join(kept) or 'nothing'}")


VERBS = (runs_verb, note, trash_verb, restore, empty_trash, free_space, tensorboard_verb, token_verb)
