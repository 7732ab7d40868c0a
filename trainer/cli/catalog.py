"""Commands about the workspace: runs, note, trash, restore, empty-trash, free-space, tensorboard, token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from trainer.catalog import disk, index, notes, reading, run_rows, search, trash
from trainer.catalog.run_rows import Row, point_of
from trainer.cli.run import state_document
from trainer.cli.terminal import Session, show
from trainer.evaluation import headline, point_text
from trainer.run import runs, tensorboard
from trainer.run.runs import Run
from trainer.system import access_token
from trainer.system.display_text import counted


@click.command(name="token")
@click.pass_obj
def token_verb(session: Session) -> None:
    """Print the access token of the app that is stored in the workspace; a token in WAKEWORD_TOKEN is not stored."""
    token = access_token.read(session.workspace)
    show(session, {"token": token, "file": str(access_token.file_of(session.workspace))}, token)


@click.command(name="tensorboard")
@click.option("--stop", is_flag=True, help="Stop it.")
@click.pass_obj
def tensorboard_verb(session: Session, stop: bool) -> None:
    """Start TensorBoard for all runs on 127.0.0.1, unless it runs already, and print its address."""
    if stop:
        ended = tensorboard.stop(session.workspace)
        show(session, {"stopped": ended}, "TensorBoard has stopped." if ended else "TensorBoard is not running.")
        return
    tensorboard.start(session.workspace)
    address = tensorboard.wait(session.workspace).address
    by_hand = tensorboard.command(session.workspace)
    text = (
        f"TensorBoard: {address}\nStop it with: python -m trainer tensorboard --stop\nStart it by hand with: {by_hand}"
    )
    show(session, {"address": address, "command": by_hand}, text)


RUN = click.argument("run", metavar="RUN")


def _document(session: Session, row: Row) -> dict[str, Any]:
    """A run of the list as JSON: its status and its row."""
    run = runs.by_id(session.workspace, row.run)
    told = row._asdict() | headline.documents(point_of(row))
    return told | (state_document(session, runs.status(run)) if run else {})


def _line(row: Row) -> str:
    point = point_of(row)
    loss = "-" if row.val_loss is None else f"{row.val_loss:.4f}"
    marks = ("*" if row.starred else "") + "".join(f" #{tag}" for tag in row.tags)
    told = f"  ({row.problem})" if row.problem else ""
    return (
        f"{row.run:20}  {row.state:12} {row.epoch:4}/{row.epochs:<4} {loss:>8} {point_text.threshold(point):>9}"
        f" {point_text.miss_rate(point):>9} {point_text.false_accepts_per_hour(point):>14}"
        f"  {point_text.measured_on(point):38}  {row.label}{marks}{told}"
    )


def _table(found: Sequence[Row], every: int) -> str:
    if not every:
        return "No runs yet. Start one with: python -m trainer train recommended"
    head = f"{'run':20}  {'state':12} {'epochs':9} {'val loss':>8} {'threshold':>9} {'miss rate':>9}"
    head += f" {'false acc. / h':>14}  {'measured on':38}  label"
    return "\n".join([head, *map(_line, found), f"{len(found):,} of {counted(every, 'run')}"])


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
    """List every run, newest first, or those that match QUERY: model.name=bc_resnet "val_loss<0.2" tag:night -words."""
    if wrong := next((term for term in query if term.startswith("--")), None):
        raise click.NoSuchOption(wrong)
    every = trash.rows(session.workspace) if in_trash else index.update(session.workspace).rows
    found = search.find(every, " ".join(query), archived or in_trash)
    if sort:
        found = run_rows.sorted_by(found, sort, reverse)
    elif reverse:
        found.reverse()
    whole = session.as_json and not in_trash  # a status takes a look at each folder
    documents = [_document(session, row) if whole else row._asdict() for row in found]
    show(session, documents, _table(found, len(every)))


@click.command()
@RUN
@click.option("--name", default=None, help="A new name; empty restores the name of the start.")
@click.option("--tag", "tags", multiple=True, help="A tag to add.")
@click.option("--untag", "untags", multiple=True, help="A tag to remove.")
@click.option("--note", "text", default=None, help="A new note, which replaces the old one.")
@click.option("--star/--no-star", default=None, help="Star the run.")
@click.option("--archive/--no-archive", default=None, help="Hide the run from lists, or show it again.")
@click.pass_obj
def note(
    session: Session,
    run: str,
    name: str | None,
    tags: tuple[str, ...],
    untags: tuple[str, ...],
    text: str | None,
    star: bool | None,
    archive: bool | None,
) -> None:
    """Edit the name, tags, note, star or archived state of RUN, and print them."""
    found = runs.find(session.workspace, run)
    given = {"name": name, "note": text, "starred": star, "archived": archive}
    changes: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    noted = notes.change(found, add=tags, remove=untags, **changes) if changes or tags or untags else notes.read(found)
    told = [f"{found.id}  {runs.status(found).label}", *(f"#{tag}" for tag in noted.tags)]
    told += [word for word, holds in (("starred", noted.starred), ("archived", noted.archived)) if holds]
    show(session, {"run": found.id, **noted.model_dump()}, "  ".join(told) + (f"\n{noted.note}" if noted.note else ""))


@click.command(name="trash")
@RUN
@click.pass_obj
def trash_verb(session: Session, run: str) -> None:
    """Move RUN (an id, an unambiguous start of one, or `latest`) to the trash; `restore` brings it back."""
    found = runs.find(session.workspace, run)
    there = trash.add(session.workspace, found)
    text = f"{found.id} is in the trash. Restore it with: python -m trainer restore {there.id}"
    show(session, {"run": found.id, "folder": str(there.folder)}, text)


@click.command()
@RUN
@click.pass_obj
def restore(session: Session, run: str) -> None:
    """Restore RUN (its id, or an unambiguous start of it) from the trash."""
    back = trash.restore(session.workspace, trash.find(session.workspace, run))
    show(session, {"run": back.id, "folder": str(back.folder)}, f"Restored {back.id}.")


@click.command(name="empty-trash")
@click.pass_obj
def empty_trash(session: Session) -> None:
    """Delete the runs in the trash permanently."""
    freed = sum(reading.disk_usage(run).total for run in trash.all_of(session.workspace))
    count = trash.empty(session.workspace)
    show(session, {"deleted": count, "bytes": freed}, f"{counted(count, 'run')} deleted, {freed / 1e6:,.1f} MB freed.")


def _freed(run: Run, found: disk.Freeable) -> dict[str, Any]:
    names = [path.name for path in found.files]
    return {"run": run.id, "bytes": found.size_bytes, "files": names, "kept": list(found.kept)}


@click.command(name="free-space")
@RUN
@click.option("--now", is_flag=True, help="Delete them instead of listing them.")
@click.pass_obj
def free_space(session: Session, run: str, now: bool) -> None:
    """List the old checkpoints of RUN that can be deleted (all but the best and the last), or delete them."""
    found = runs.find(session.workspace, run)
    freed = disk.free(found) if now else disk.freeable(found)
    done = "Deleted" if now else "Can be deleted"
    files = ", ".join(path.name for path in freed.files) or "nothing"
    lines = [f"{done}: {files} ({freed.size_bytes / 1e6:,.1f} MB)", f"Kept: {', '.join(freed.kept) or 'nothing'}"]
    show(session, _freed(found, freed) | {"done": now}, "\n".join(lines))


VERBS = (runs_verb, note, trash_verb, restore, empty_trash, free_space, tensorboard_verb, token_verb)
