"""The command `create`: from a typed word to an exported, evaluated model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from trainer.cli import run as run_commands
from trainer.cli import terminal
from trainer.cli.terminal import AS_JOB, Session, show
from trainer.run import runs
from trainer.system import job
from trainer.system.job import Report
from trainer.system.workspace import Workspace

if TYPE_CHECKING:
    from trainer.creation.creation import Order, Progress

LOOK_SECONDS = 0.5


@click.command()
@click.argument("phrase", metavar="[PHRASE]", default="")
@click.option("--minutes", default=10.0, show_default=True, help="About how long it may take on this machine.")
@click.option("--language", default="en", show_default=True, help="Code of the language of PHRASE.")
@click.option(
    "--pronunciation",
    "pronunciations",
    multiple=True,
    metavar="IPA",
    help="How PHRASE is pronounced; may be repeated. Default: as the voices read it.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of clips, split and training.")
@click.option("--wait", is_flag=True, help="Show progress until the model is ready; Ctrl-C does not stop the work.")
@click.option("--pause", is_flag=True, help="Pause what is being created; create PHRASE again to continue.")
@AS_JOB
@click.pass_obj
def create(
    session: Session,
    phrase: str,
    minutes: float,
    language: str,
    pronunciations: tuple[str, ...],
    seed: int,
    wait: bool,
    pause: bool,
    as_job: bool,
) -> None:
    """Create a detector for PHRASE: make the data set, train, evaluate and export, in the background.

    All voices that are installed speak, and your own recordings of the phrase are used. An interrupted creation
    continues when it is ordered again. Without PHRASE, print how far the newest one is.
    """
    from trainer.creation import creation

    workspace = session.workspace
    if pause:
        job.cancel(workspace, creation.VERB)
    elif phrase:
        order = _order(phrase, language, minutes, pronunciations, seed)
        if as_job:
            job.run(workspace, creation.VERB, lambda report: _sentence(workspace, order, report))
            return
        _start(workspace, order)
        _tell_rating(order)
    current = _await(workspace) if wait or pause else creation.progress(workspace)
    if current is None:
        raise ValueError('Nothing was created yet. Say what to listen for: python -m trainer create "hey atlas"')
    _show(session, current)


def _tell_rating(order: Order) -> None:
    """Say on standard error what speaks against a phrase."""
    from trainer.synthesis import phrases, word_rating

    rating = word_rating.rate(order.phrase, phrases.find_language(order.language))
    if rating.verdict != "good":
        terminal.complain(" ".join(rating.sentences()))


def _sentence(workspace: Workspace, order: Order, report: Report) -> str:
    from trainer.creation import creation, stages

    made = stages.create(workspace, order, report)
    headline = creation.headline_of(runs.by_id(workspace, made.run))
    return f"“{order.phrase}” is ready. {headline.text if headline else ''}"


def _order(phrase: str, language: str, minutes: float, pronunciations: tuple[str, ...], seed: int) -> Order:
    from trainer.creation import creation, stages

    if not creation.LEAST_MINUTES <= minutes <= creation.MOST_MINUTES:
        raise ValueError(
            f"{minutes:g} minutes are out of range; choose {creation.LEAST_MINUTES:g} to {creation.MOST_MINUTES:g}."
        )
    if not 0 <= seed < 2**31:
        raise ValueError(f"The seed {seed} is out of range; choose 0 to {2**31 - 1}.")
    return stages.checked(
        creation.Order(phrase=phrase, language=language, minutes=minutes, pronunciations=pronunciations, seed=seed)
    )


def _start(workspace: Workspace, order: Order) -> None:
    """Start the job, unless it runs for the same phrase. Raises ValueError while another phrase is being created."""
    from trainer.creation import creation

    running = creation.progress(workspace)
    if running and running.state == "running" and running.creation.order.phrase != order.phrase:
        raise ValueError(
            f"“{running.creation.order.phrase}” is being created. Wait until it is ready, or pause it with: "
            "python -m trainer create --pause"
        )
    job.start(workspace, creation.VERB, creation.arguments(order))
    while creation.is_starting(workspace):
        time.sleep(LOOK_SECONDS)
    begun, working = creation.read(workspace), job.read(workspace, creation.VERB)
    if working and working.state == "failed" and (begun is None or begun.clock < working.clock):
        raise ValueError(working.message)


def _await(workspace: Workspace) -> Progress | None:
    """The newest creation once its job has ended; shows its progress until then."""
    from trainer.creation import creation

    with terminal.progress() as report:
        while (current := creation.progress(workspace)) and current.state == "running":
            done = round(1000 * (current.share or 0.0))
            report(done, 1000 if current.share else 0, f"{current.doing} - {creation.time_left(current)}")
            time.sleep(LOOK_SECONDS)
    return current


def _show(session: Session, current: Progress) -> None:
    """Print a creation; once it is ready, the status of its run with the headline. The exit code is 1 if it failed."""
    from trainer.creation import creation

    document: dict[str, Any] = creation.document(current)
    if current.state == "done" and current.run:
        document = run_commands.status_document(session, current.run) | {"creation": document}
    show(session, document, "\n".join(creation.sentences(current)))
    if current.state == "failed":
        raise click.exceptions.Exit(1)


VERBS = (create,)
