"""Input and output of the command line: global options, progress, results as JSON or text."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from trainer.evaluation import point_text
from trainer.evaluation.operating_point import OperatingPoint
from trainer.run import models, runs
from trainer.run.documents import Best
from trainer.run.runs import Run, Status
from trainer.run.state import ACTIVE
from trainer.system import display_text, job
from trainer.system.display_text import counted
from trainer.system.job import Report, Verb
from trainer.system.log_lines import clock_time
from trainer.system.workspace import Workspace

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """A failed item: `item` as the user named it, and the reason as a sentence."""

    item: str
    message: str

    def __str__(self) -> str:
        return f"{self.item}: {self.message}"


def error_text(error: OSError) -> str:
    """What is wrong, and with which file if that is known."""
    reason = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return reason or str(error)


def attempt(item: str, work: Callable[[], Result]) -> Result | Failure:
    """The result of the work, or its failure for bad input (ValueError, OSError). Other errors are raised."""
    try:
        return work()
    except OSError as error:
        return Failure(item, error_text(error))
    except ValueError as error:
        return Failure(item, str(error))


@dataclass(frozen=True)
class Session:
    """The global options of a command: the workspace, and whether to print JSON."""

    workspace: Workspace
    as_json: bool


def hoist_globals(arguments: Sequence[str]) -> list[str]:
    """Move --root and --json to the front, so that they work before and after the verb."""
    first: list[str] = []
    rest: list[str] = []
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument == "--json" or argument.startswith("--root="):
            first.append(argument)
        elif argument == "--root":
            first += [argument, *(value for value in [next(left, None)] if value is not None)]
        else:
            rest.append(argument)
    return first + rest


def show(session: Session, document: object, text: str) -> None:
    """Print a result: the document with --json, else the text without terminal control characters."""
    if session.as_json:
        sys.stdout.write(display_text.to_json(document, indent=1) + "\n")
    elif text:
        sys.stdout.write(display_text.clean_lines(text) + "\n")


def complain(text: str) -> None:
    """Print to standard error, without terminal control characters."""
    sys.stderr.write(display_text.clean_lines(text) + "\n")


def refuse(message: str, as_json: bool, code: int) -> int:
    """Print an error as one line, with --json also as a document; returns the exit code."""
    line = " ".join(message.split())
    complain(line)
    if as_json:
        sys.stdout.write(display_text.to_json({"error": line}) + "\n")
    return code


def _bar() -> Progress:
    """A progress bar on standard error, as standard output is for the result."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def progress() -> Iterator[Report]:
    """Show a progress bar; yields the function that updates it."""
    with _bar() as bar:
        task = bar.add_task("", total=None)

        def report(done: int, total: int, doing: str) -> None:
            bar.update(task, completed=done, total=total or None, description=display_text.clean(doing))

        yield report


AS_JOB = click.option("--job", "as_job", is_flag=True, hidden=True, help="Write progress where the pages read it.")


Work = Callable[[Report], tuple[dict[str, Any], str]]
"""Long work that reports its progress and returns a document and a text."""


def work_on(session: Session, verb: Verb, as_job: bool, work: Work) -> None:
    """Do long work with progress in the terminal, or as a job that a page watches."""
    if as_job:
        job.run(session.workspace, verb, lambda report: work(report)[1])
        return
    with progress() as report:
        document, text = work(report)
    show(session, document, text)


def work_on_each(
    session: Session,
    verb: Verb,
    as_job: bool,
    items: Sequence[tuple[str, Work]],
    after: Callable[[Report], object] = lambda report: None,
) -> None:
    """Do long work on named items, continuing after failures; `after` is called once at the end.

    One item is printed as by `work_on`. Several are printed as a list of documents, in which `source` is the item and
    `error` says why it failed; then the exit code is 2.
    """
    documents, lines, failures = list[dict[str, Any]](), list[str](), list[Failure]()

    def every(report: Report) -> tuple[dict[str, Any], str]:
        for name, work in items:
            result = work(report) if len(items) == 1 else attempt(name, partial(work, report))
            if isinstance(result, Failure):
                failures.append(result)
                documents.append({"source": name, "error": result.message})
            else:
                documents.append({"source": name, **result[0]} if len(items) > 1 else result[0])
                lines.append(f"{name}: {result[1]}" if len(items) > 1 else result[1])
        text = "\n".join(lines)
        try:
            if lines:
                after(report)
        except ValueError as error:  # the earlier results remain and are printed
            raise ValueError(f"{text} {error}") from None
        if failures and as_job:
            raise ValueError(" ".join([*lines, *map(str, failures)]))
        return documents[0], text

    if as_job or len(items) == 1:
        work_on(session, verb, as_job, every)
        return
    with progress() as report:
        _, text = every(report)
    show(session, documents, text)
    for failure in failures:
        complain(str(failure))
    if failures:
        raise click.exceptions.Exit(2)


def wait_for_end(run: Run) -> Status:
    """Show the progress of a run until it ends; Ctrl-C does not stop the run."""
    with _bar() as bar:
        task = bar.add_task("Starting", total=None)
        while (status := runs.status(run)).state in ACTIVE:
            if status.state == "queued":
                bar.update(task, description="Waiting in the queue")
            elif progress := status.progress:
                done = max(0, progress.epoch - 1) * progress.batches + progress.batch
                loss = "" if progress.train_loss is None else f" - loss {progress.train_loss:.4f}"
                text = f"Epoch {progress.epoch}/{progress.epochs}{loss} - {clock_time(progress.eta_seconds)} left"
                bar.update(task, completed=done, total=progress.epochs * progress.batches or None, description=text)
            time.sleep(0.5)
    return status


def scan_line(summary: dict[str, Any]) -> str:
    clips = sum(label["clips"] for label in summary["labels"].values())
    minutes = sum(label["minutes"] for label in summary["labels"].values())
    return f"{counted(clips, 'clip')}, {minutes:,.1f} minutes, {len(summary['refused']):,} refused."


def scan_text(summary: dict[str, Any]) -> str:
    rows = [
        f"{name:14} {label['clips']:7,} clips {label['minutes']:9,.1f} min" for name, label in summary["labels"].items()
    ]
    rows += [f"refused {item['path']}: {item['message']}" for item in summary["refused"]]
    rows += [_finding_line(item) for item in summary["findings"]]
    return "\n".join([*rows, *summary["warnings"], scan_line(summary)])


def _finding_line(item: dict[str, Any]) -> str:
    clips = f" ({counted(item['clips'], 'clip')})" if item["clips"] else ""
    return f"{item['severity']} {item['finding']}: {item['title']}{clips}."


def split_text(parts: dict[str, Any], warnings: Sequence[str]) -> str:
    rows = [
        f"{part:6} " + ", ".join(f"{clips:,} {label}" for label, clips in parts[part].items())
        for part in ("train", "val", "test")
    ]
    return "\n".join([*rows, f"Groups in more than one split: {parts['groups_in_two_splits']}.", *warnings])


def status_text(document: dict[str, Any]) -> str:
    """The status of a run as text."""
    rates = {name: document[name] for name in ("val_accuracy", "fpr", "fnr", "f1") if document[name] is not None}
    lines = [f"{document['run']}  {document['label']}: {document['state']}"]
    lines.append(f"epoch {document['epoch']}/{document['epochs']}, batch {document['batch']}/{document['batches']}")
    texts = ", ".join(f"{name} {100 * value:.2f} %" for name, value in rates.items())
    lines.append(f"per window of the validation split, threshold 0.5: {texts}" if texts else "")
    lines += point_lines(document["operating_point"])
    if best := document["best"]:
        epoch = Best.model_validate({**best, "checkpoint": Path(best["checkpoint"]).name})
        lines.append(f"best: epoch {epoch.epoch}, {models.describe_best(epoch, epoch.by)}, {best['checkpoint']}")
    if "place" in document:
        lines.append(f"position {document['place']} in the queue for {', '.join(document['devices'])}")
    if document["outcome"]:
        lines.append(document["outcome"]["reason"])
    lines.append(document.get("notice", ""))
    lines += [f"try: {tip}" for tip in document.get("advice", [])]
    return "\n".join(line for line in lines if line)


def point_lines(document: dict[str, Any] | None) -> list[str]:
    """The operating point of a run as lines of text; empty when unknown."""
    return [] if document is None else point_text.lines(OperatingPoint.model_validate(document))


def queue_text(document: dict[str, Any]) -> str:
    """The queue as text."""
    lines = [f"{name}: {count} at a time" for name, count in document["slots"].items()]
    lines += [f"training  {each['run']}  on {each['device']}" for each in document["training"]]
    queued = enumerate(document["queued"], 1)
    lines += [f"{position:8}  {each['run']}  for {', '.join(each['devices'])}" for position, each in queued]
    return "\n".join(lines)
