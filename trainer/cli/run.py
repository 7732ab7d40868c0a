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


def _text(wanted: Notifications) -> str:
    if wanted.is_silent:
        return "No notifications are set. Set --webhook or --command."
    lines = [f"Ends: {', '.join(wanted.ends)}"]
    lines += [f"Webhook: {wanted.webhook}"] if wanted.webhook else []
    lines += [f"Command: {shlex.join(wanted.command)}"] if wanted.command else []
    return "\n".join(lines)


@click.command(name="tell")
@click.option("--webhook", help="Post a JSON document to this address; '' removes it.")
@click.option("--command", help="Run this command with the document on its standard input; '' removes it.")
@click.option("--ends", help="The ends to notify of: some of completed,stopped,paused,failed.")
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
    wanted = Notifications() if off else notifications.read(session.workspace).model_copy(update=changes)
    if off or changes:
        notifications.write(session.workspace, wanted)
    told = notifications.send_test(session.workspace, wanted) if test else []
    document = {**wanted.model_dump(), "told": [asdict(one) for one in told]}
    show(session, document, "\n".join([_text(wanted), *(one.text for one in told)]))
    if not all(one.well for one in told):
        raise click.exceptions.Exit(1)


CONFIG = click.argument("config", metavar="CONFIG")
RUN = click.argument("run", metavar="RUN")


def status_document(session: Session, run: Run) -> dict[str, Any]:
    """The status of a run with its operating point and headline, its position in the queue and advice on a failure."""
    status = runs.status(run)
    point = operating_point.of_run(status)
    return state_document(session, status) | headline.documents(point)


def state_document(session: Session, status: Status) -> dict[str, Any]:
    """The status without the operating point."""
    found = run_queue.position(session.workspace, status.run) if status.state == "queued" else None
    tips: dict[str, Any] = {"advice": failures.advice(status)}
    if status.state == "unknown":
        tips["notice"] = failures.explain_unknown(status)
    return runs.document(status) | tips | (run_queue.position_document(found, status) if found else {})


@click.command()
@CONFIG
@click.option("--name", default="", help="A label for the run.")
@click.option("--wait", is_flag=True, help="Show progress until it ends.")
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
def status(session: Session, run: str) -> None:
    """Print the status of RUN: an id, an unambiguous start of one, or `latest`."""
    document = status_document(session, runs.find(session.workspace, run))
    show(session, document, terminal.status_text(document))


@click.command()
@RUN
@click.option("--lines", default=100, show_default=True, help="Number of lines.")
@click.pass_obj
def log(session: Session, run: str, lines: int) -> None:
    """Print the end of the log of RUN: an id, an unambiguous start of one, or `latest`."""
    found = runs.find(session.workspace, run)
    last = log_lines.last_lines(found.log_file, lines)
    show(session, {"run": found.id, "lines": last, "file": str(found.log_file)}, "\n".join(last))


@click.command()
@RUN
@click.option("--now", is_flag=True, help="Stop after this batch instead of this epoch.")
@click.pass_obj
def stop(session: Session, run: str, now: bool) -> None:
    """Stop RUN (an id, an unambiguous start of one, or `latest`); it keeps its best model and can be resumed."""
    found = runs.find(session.workspace, run)
    state = launch.stop(found, now)
    by = runs.wish(found, runs.status(found).attempt)
    text = f"Stopping {found.id} after this {'batch' if by == 'stop' else 'epoch'}." if state == "stopping" else ""
    text = text or f"{found.id} is {state}."
    show(session, {"run": found.id, "state": state}, text)


@click.command()
@RUN
@click.pass_obj
def pause(session: Session, run: str) -> None:
    """Pause RUN (an id, an unambiguous start of one, or `latest`): it saves a checkpoint and releases its device."""
    found = runs.find(session.workspace, run)
    state = launch.pause(found)
    show(session, {"run": found.id, "state": state}, f"{found.id} is {state}.")


@click.command()
@RUN
@click.pass_obj
def resume(session: Session, run: str) -> None:
    """Resume RUN (an id, an unambiguous start of one, or `latest`) from its last checkpoint."""
    found = runs.find(session.workspace, run)
    attempt = launch.resume(found)
    show(session, {"run": found.id, "attempt": attempt}, f"Resumed {found.id} (attempt {attempt}).")


@click.command()
@RUN
@click.option("--epochs", required=True, type=int, help="Total number of epochs.")
@click.pass_obj
def extend(session: Session, run: str, epochs: int) -> None:
    """Train the completed RUN (an id, an unambiguous start of one, or `latest`) for more epochs."""
    found = runs.find(session.workspace, run)
    attempt = launch.extend(found, epochs)
    show(session, {"run": found.id, "attempt": attempt}, f"Extended {found.id} to {epochs} epochs (attempt {attempt}).")


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
def pack(session: Session, run: str, file: Path, as_job: bool) -> None:
    """Pack RUN with all its files into one new zip file, for another machine or as a backup."""
    found = runs.find(session.workspace, run)
    if file.exists() and not as_job:
        raise ValueError(f"{file} exists. Choose a new file name.")

    def work(report: Report) -> tuple[dict[str, Any], str]:
        with nullcontext() if as_job else private.as_user_shares():
            size = archive.pack(found, file, report).stat().st_size
        left = archive.left_out(found)
        document = {"run": found.id, "file": str(file), "bytes": size, "left_out": left}
        names = ", ".join(map(repr, left[:5])) + (f" and {len(left) - 5:,} more" if left[5:] else "")
        told = f" Left out, as links or names that some systems do not allow: {names}." if left else ""
        return document, f"Packed run {found.id} into {file}, {size / 1e6:,.1f} MB.{told}"

    work_on(session, "pack", as_job, work)


@click.command()
@click.argument(
    "files", metavar="FILE.zip...", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path)
)
@AS_JOB
@click.pass_obj
def unpack(session: Session, files: tuple[Path, ...], as_job: bool) -> None:
    """Import the run in each FILE.zip that `pack` has written.

    A bad file is reported, the others are imported, and the exit code is 2.
    """
    from trainer.run import archive  # onnx takes a while to import

    def work(file: Path, report: Report) -> tuple[dict[str, Any], str]:
        with open(file, "rb") as packed:
            taken = archive.unpack(session.workspace, packed, report)
        document = {"run": taken.run.id, "packed_id": taken.packed_id, "state": runs.status(taken.run).state}
        return document, archive.sentence(taken)

    items: list[tuple[str, Work]] = [(str(file), partial(work, file)) for file in files]
    work_on_each(session, "unpack", as_job, items)


VERBS = (train, status, log, stop, pause, resume, extend, queue_verb, pack, unpack, tell_verb)
