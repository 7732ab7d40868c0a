"""Commands about one run: train, status, log, stop, pause, resume, extend, queue, pack, unpack, tell."""

from __future__ import annotations

import shlex
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from trainer.cli import terminal
from trainer.cli.terminal import AS_JOB, Session, Work, show, work_on, work_on_each
from trainer.config import config_file
from trainer.evaluation import headline, operating_point
from trainer.run import archive, failures, launch, notifications, run_queue, runs
from trainer.run.notifications import Notifications
from trainer.run.run_queue import Place
from trainer.run.runs import Run, Status
from trainer.system import log_lines, private
from trainer.system.job import Report


def _changes(webhook: str | None, command: str | None, ends: str | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if webhook is not None:
        changes["webhook"] = notifications.checked_webhook(webhook)
    if command is not None:
        changes["command"] = notifications.checked_command(command)
    if ends is not None:
        changes["ends"] = notifications.checked_ends(ends.split(","))
    return changes


def _text(settings: Notifications) -> str:
    if settings.is_silent:
        return "No notifications are set. Set --webhook or --command."
    lines = [f"Ends: {', '.join(settings.ends)}"]
    lines += [f"Webhook: {settings.webhook}"] if settings.webhook else []
    lines += [f"Command: {shlex.join(settings.command)}"] if settings.command else []
    return "\n".join(lines)


@click.command(name="tell")
@click.option("--webhook", help="Post a JSON document to this address; '' removes it.")
@click.option("--command", help="Run this command with the document on its standard input; '' removes it.")
@click.option("--ends", help="Which ends to notify of: some of completed,stopped,paused,failed.")
@click.option("--off", is_flag=True, help="Remove all notifications.")
@click.option("--test", is_flag=True, help="Send a test message now and print the result.")
@click.pass_obj
def tell_verb(
    session: Session, webhook: str | None, command: str | None, ends: str | None, off: bool, test: bool
) -> None:
    """Set the notifications of the end of a run; without options, show them."""
    changes = _changes(webhook, command, ends)
    if off and (changes or test):
        raise ValueError("--off cannot be combined with other options.")
    settings = Notifications() if off else notifications.read(session.workspace).model_copy(update=changes)
    if off or changes:
        notifications.write(session.workspace, settings)
    results = notifications.send_test(session.workspace, settings) if test else []
    document = {**settings.model_dump(), "told": [asdict(each) for each in results]}
    show(session, document, "\n".join([_text(settings), *(each.text for each in results)]))
    if not all(each.well for each in results):
        raise click.exceptions.Exit(1)


def _find_run(context: click.Context, parameter: click.Parameter, text: str) -> Run:
    return runs.find(context.obj.workspace, text)


CONFIG = click.argument("config", metavar="CONFIG")
RUN = click.argument("run", metavar="RUN", callback=_find_run)
"""The run itself. A job takes its name, as it reports a run that does not exist to the page that waits for it."""


def status_document(session: Session, run: Run) -> dict[str, Any]:
    """The status of a run with its operating point and headline, its position in the queue and advice on a failure."""
    status = runs.status(run)
    point = operating_point.of_run(status)
    return state_document(session, status) | headline.documents(point)


def state_document(session: Session, status: Status) -> dict[str, Any]:
    """The status without the operating point."""
    position = run_queue.position(session.workspace, status.run) if status.state == "queued" else None
    tips: dict[str, Any] = {"advice": failures.advice(status)}
    if status.state == "unknown":
        tips["notice"] = failures.explain_unknown(status)
    return runs.document(status) | tips | (run_queue.position_document(position, status) if position else {})


@click.command()
@CONFIG
@click.option("--name", default="", help="A label for the run.")
@click.option("--wait", is_flag=True, help="Show progress until the run ends.")
@click.pass_obj
def train(session: Session, config: str, name: str, wait: bool) -> None:
    """Start a detached run of CONFIG (a YAML file, a saved configuration or a preset) and print its id."""
    path = config_file.find(session.workspace, config)
    loaded = config_file.load(path)
    started = launch.start(session.workspace, loaded, path.stem, name)
    warnings = list(started.warnings)
    if warnings:
        terminal.complain("\n".join(f"Warning: {text}" for text in warnings))
    if not wait:
        show(session, {"run": started.run.id, "warnings": warnings}, started.run.id)
        return
    status = terminal.wait_for_end(started.run)
    document = status_document(session, started.run)
    show(session, document, terminal.status_text(document))
    if status.state not in ("completed", "stopped", "paused"):
        raise click.exceptions.Exit(1)


@click.command()
@RUN
@click.pass_obj
def status(session: Session, run: Run) -> None:
    """Print the status of RUN: an id, an unambiguous start of one, or `latest`."""
    document = status_document(session, run)
    show(session, document, terminal.status_text(document))


@click.command()
@RUN
@click.option("--lines", default=100, show_default=True, help="Number of lines.")
@click.pass_obj
def log(session: Session, run: Run, lines: int) -> None:
    """Print the end of the log of RUN: an id, an unambiguous start of one, or `latest`."""
    last = log_lines.last_lines(run.log_file, lines)
    show(session, {"run": run.id, "lines": last, "file": str(run.log_file)}, "\n".join(last))


@click.command()
@RUN
@click.option("--now", is_flag=True, help="Stop after this batch instead of this epoch.")
@click.pass_obj
def stop(session: Session, run: Run, now: bool) -> None:
    """Stop RUN (an id, an unambiguous start of one, or `latest`); it keeps its best model and can be resumed."""
    state = launch.stop(run, now)
    at_once = runs.wanted(run, runs.status(run).attempt) == "stop"
    stopping = f"Stopping {run.id} after this {'batch' if at_once else 'epoch'}."
    show(session, {"run": run.id, "state": state}, stopping if state == "stopping" else f"{run.id} is {state}.")


@click.command()
@RUN
@click.pass_obj
def pause(session: Session, run: Run) -> None:
    """Pause RUN (an id, an unambiguous start of one, or `latest`): it saves a checkpoint and releases its device."""
    state = launch.pause(run)
    show(session, {"run": run.id, "state": state}, f"{run.id} is {state}.")


@click.command()
@RUN
@click.pass_obj
def resume(session: Session, run: Run) -> None:
    """Resume RUN (an id, an unambiguous start of one, or `latest`) from its last checkpoint."""
    attempt = launch.resume(run)
    show(session, {"run": run.id, "attempt": attempt}, f"Resumed {run.id} (attempt {attempt}).")


@click.command()
@RUN
@click.option("--epochs", required=True, type=int, help="Total number of epochs.")
@click.pass_obj
def extend(session: Session, run: Run, epochs: int) -> None:
    """Train the completed RUN (an id, an unambiguous start of one, or `latest`) for more epochs."""
    attempt = launch.extend(run, epochs)
    show(session, {"run": run.id, "attempt": attempt}, f"Extended {run.id} to {epochs} epochs (attempt {attempt}).")


@click.command(name="queue")
@click.option("--move", "moved", metavar="RUN", help="The queued run to move.")
@click.option("--to", "place", type=click.Choice(["first", "earlier", "later", "last"]), default="first")
@click.option("--slots", metavar="DEVICE=N", help="Number of runs that train on a device at once, such as cpu=2.")
@click.pass_obj
def queue_verb(session: Session, moved: str | None, place: Place, slots: str | None) -> None:
    """List queued and training runs by device; change the order of the queue or the slots of a device."""
    if moved:
        run_queue.move(session.workspace, runs.find(session.workspace, moved), place)
    if slots:
        device, _, count = slots.partition("=")
        if not count.isdecimal():
            raise ValueError(f"{slots!r} is not a number of slots; write it as cpu=2.")
        run_queue.set_slots(session.workspace, device, int(count))
    document = run_queue.queue_document(session.workspace)
    show(session, document, terminal.queue_text(document))


PATH: click.Path = click.Path(dir_okay=False, path_type=Path)


@click.command()
@RUN
@click.argument("file", metavar="FILE.zip", type=PATH)
@AS_JOB
@click.pass_obj
def pack(session: Session, run: Run, file: Path, as_job: bool) -> None:
    """Pack RUN with all its files into a new zip file, for another machine or as a backup."""
    if file.exists() and not as_job:
        raise ValueError(f"{file} exists. Choose a new file name.")

    def work(report: Report) -> tuple[dict[str, Any], str]:
        with nullcontext() if as_job else private.as_user_shares():
            size = archive.pack(run, file, report).stat().st_size
        left = archive.left_out(run)
        document = {"run": run.id, "file": str(file), "bytes": size, "left_out": left}
        names = ", ".join(map(repr, left[:5])) + (f" and {len(left) - 5:,} more" if left[5:] else "")
        note = f" Left out, as links or names that some systems do not allow: {names}." if left else ""
        return document, f"Packed run {run.id} into {file}, {size / 1e6:,.1f} MB.{note}"

    work_on(session, "pack", as_job, work)


@click.command()
@click.argument("files", metavar="FILE.zip...", nargs=-1, required=True, type=PATH)
@AS_JOB
@click.pass_obj
def unpack(session: Session, files: tuple[Path, ...], as_job: bool) -> None:
    """Import the run in each FILE.zip written by `pack`.

    A bad file is reported, the others are imported, and the exit code is 2.
    """
    from trainer.run import archive  # onnx takes a while to import

    def work(file: Path, report: Report) -> tuple[dict[str, Any], str]:
        with open(file, "rb") as packed:
            imported = archive.unpack(session.workspace, packed, report)
        document = {"run": imported.run.id, "packed_id": imported.packed_id, "state": runs.status(imported.run).state}
        return document, archive.sentence(imported)

    items: list[tuple[str, Work]] = [(str(file), partial(work, file)) for file in files]
    work_on_each(session, "unpack", as_job, items)


VERBS = (train, status, log, stop, pause, resume, extend, queue_verb, pack, unpack, tell_verb)
