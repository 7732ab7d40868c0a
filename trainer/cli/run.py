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
from trainer.evaluation import operating_point
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
        return "Nobody is told when a run ends. Set --webhook or --command."
    lines = [f"Told of: {', '.join(wanted.ends)}"]
    lines += [f"Webhook: {wanted.webhook}"] if wanted.webhook else []
    lines += [f"Command: {shlex.join(wanted.command)}"] if wanted.command else []
    return "\n".join(lines)


@click.command(name="tell")
@click.option("--webhook", help="Post a JSON document to this address; '' for none.")
@click.option("--command", help="Run this, the document on its standard input; '' for none.")
@click.option("--ends", help="After which ends: some of completed,stopped,paused,failed.")
@click.option("--off", is_flag=True, help="Tell nobody any more.")
@click.option("--test", is_flag=True, help="Send a message now and say how that went.")
@click.pass_obj
def tell_verb(
    session: Session, webhook: str | None, command: str | None, ends: str | None, off: bool, test: bool
) -> None:
    """Set what a run's end sets off, with no browser open; without options, show what is set."""
    changes = _changes(webhook, command, ends)
    if off and (changes or test):
        raise ValueError("--off stands alone: it clears what the other options set.")
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
    """The status of a run with its operating point, its place in the queue, and what to try when it has failed."""
    status = runs.status(run)
    point = operating_point.of_run(status)
    return state_document(session, status) | {"operating_point": point and point.model_dump(mode="json")}


def state_document(session: Session, status: Status) -> dict[str, Any]:
    """The same without the operating point."""
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
    """Tell how RUN stands: an id, an unambiguous start of one, or `latest`."""
    document = status_document(session, runs.find(session.workspace, run))
    show(session, document, terminal.status_text(document))


@click.command()
@RUN
@click.option("--lines", default=100, show_default=True, help="How many from the end.")
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
    """Stop RUN (an id, an unambiguous start of one, or `latest`); its best model is kept, and it can be resumed."""
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
    """Let RUN (an id, an unambiguous start of one, or `latest`) save itself after this batch and leave its device."""
    found = runs.find(session.workspace, run)
    state = launch.pause(found)
    show(session, {"run": found.id, "state": state}, f"{found.id} is {state}.")


@click.command()
@RUN
@click.pass_obj
def resume(session: Session, run: str) -> None:
    """Let RUN (an id, an unambiguous start of one, or `latest`) go on from its last checkpoint."""
    found = runs.find(session.workspace, run)
    attempt = launch.resume(found)
    show(session, {"run": found.id, "attempt": attempt}, f"{found.id} goes on (attempt {attempt}).")


@click.command()
@RUN
@click.option("--epochs", required=True, type=int, help="How many it shall have had in all.")
@click.pass_obj
def extend(session: Session, run: str, epochs: int) -> None:
    """Train the completed RUN (an id, an unambiguous start of one, or `latest`) for more epochs."""
    found = runs.find(session.workspace, run)
    attempt = launch.extend(found, epochs)
    show(session, {"run": found.id, "attempt": attempt}, f"{found.id} goes on to epoch {epochs} (attempt {attempt}).")


@click.command(name="queue")
@click.option("--move", "moved", metavar="RUN", help="A queued run that shall come earlier or later.")
@click.option("--to", "place", type=click.Choice(["first", "earlier", "later", "last"]), default="first")
@click.option("--slots", metavar="DEVICE=N", help="How many runs may train on a device at once, such as cpu=2.")
@click.pass_obj
def queue_verb(session: Session, moved: str | None, place: Place, slots: str | None) -> None:
    """Tell which runs wait for which device and which train; change their order, or the slots of a device."""
    if moved:
        run_queue.move(session.workspace, runs.find(session.workspace, moved), place)
    if slots:
        device, _, count = slots.partition("=")
        if not count.isdecimal():
            raise ValueError(f"{slots!r} does not say how many slots a device has; write it as cpu=2.")
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
    """Write RUN with all that belongs to it into one new file, for another machine or to put away."""
    found = runs.find(session.workspace, run)
    if file.exists() and not as_job:
        raise ValueError(f"{file} exists; name a file that does not.")

    def work(report: Report) -> tuple[dict[str, Any], str]:
        with nullcontext() if as_job else private.as_user_shares():
            size = archive.pack(found, file, report).stat().st_size
        left = archive.left_out(found)
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
    from trainer.run import archive  # onnx takes a while to import

    def work(file: Path, report: Report) -> tuple[dict[str, Any], str]:
        with open(file, "rb") as packed:
            taken = archive.unpack(session.workspace, packed, report)
        document = {"run": taken.run.id, "packed_id": taken.packed_id, "state": runs.status(taken.run).state}
        return document, archive.sentence(taken)

    items: list[tuple[str, Work]] = [(str(file), partial(work, file)) for file in files]
    work_on_each(session, "unpack", as_job, items)


VERBS = (train, status, log, stop, pause, resume, extend, queue_verb, pack, unpack, tell_verb)
