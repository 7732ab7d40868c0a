"""The verbs of the command line about one run: train, status, log, stop, pause, resume, extend, queue."""

from __future__ import annotations

from typing import Any

import click

from trainer.cli import terminal
from trainer.cli.terminal import Session, show
from trainer.config import config_file
from trainer.evaluation import operating_point
from trainer.run import advice, launch, preflight, run_document, run_queue, runs, standing
from trainer.run.run_queue import Place
from trainer.run.runs import Run, Status
from trainer.system import log_lines

CONFIG = click.argument("config", metavar="CONFIG")
RUN = click.argument("run", metavar="RUN")


def status_document(session: Session, run: Run) -> dict[str, Any]:
    """The status of a run with its operating point, its place in the queue, and what to try when it has failed."""
    status = runs.status(run)
    point = operating_point.of_run(status)
    return state_document(session, status) | {"operating_point": point and point.model_dump(mode="json")}


def state_document(session: Session, status: Status) -> dict[str, Any]:
    """The same without the operating point."""
    found = standing.standing(session.workspace, status.run) if status.state == "queued" else None
    tips: dict[str, Any] = {"advice": advice.of_run(status)}
    if status.state == "unknown":
        tips["notice"] = advice.unknown(status)
    return run_document.of(status) | tips | (standing.document(found, status) if found else {})


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
    warnings = preflight.warnings(session.workspace, loaded)
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
    document = standing.queue_document(session.workspace)
    show(session, document, terminal.queue_text(document))


VERBS = (train, status, log, stop, pause, resume, extend, queue_verb)
