"""The command line: one verb, one function. Everything the pages do, without a browser."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any

import click
import typer

from trainer import config_file, dataset, estimates, job, launch, log_tail, runs, split, terminal
from trainer.job import Report, Verb
from trainer.terminal import Session, hoist_globals, show
from trainer.workspace import open_workspace

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
AsJob = Annotated[bool, typer.Option("--job", hidden=True, help="Write progress where the Dataset page reads it.")]
ConfigText = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, a saved configuration or a preset.")]
RunText = Annotated[str, typer.Argument(metavar="RUN", help="An id, an unambiguous start of one, or `latest`.")]
Ratios = Annotated[str, typer.Option(help="Train, validation and test in percent.")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]


@app.callback(epilog="--root and --json may stand anywhere on the line.")
def options_of_every_verb(
    context: typer.Context,
    root: Annotated[str, typer.Option(help="Workspace: the folder that holds configs, data and runs.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Train a detector for a wake word of your own."""
    context.obj = Session(open_workspace(root or None), as_json)


def _work(session: Session, verb: Verb, as_job: bool, work: Callable[[Report], tuple[dict[str, Any], str]]) -> None:
    """Do long work with progress: in the terminal, or as a job that a page watches."""
    if as_job:
        job.run(session.workspace, verb, lambda report: work(report)[1])
        return
    with terminal.progress() as report:
        document, text = work(report)
    show(session, document, text)


@app.command()
def demo(
    context: typer.Context,
    phrase: Annotated[str, typer.Option(help="The words to train for.")] = "hey atlas",
    positives: Annotated[int, typer.Option(help="Clips of the phrase; three others are made for each.")] = 600,
    ratios: Ratios = "70/15/15",
    seed: Seed = 0,
    as_job: AsJob = False,
) -> None:
    """Make a synthetic data set for trying the app, scan and split it."""
    from trainer.synthesis import demo as demo_data  # scipy and the rooms take a second that no other verb needs

    session: Session = context.obj

    def work(report: Report) -> tuple[dict[str, Any], str]:
        parsed = split.parse_ratios(ratios)
        demo_data.make(session.workspace, phrase, positives, seed, report)
        found = dataset.scan(session.workspace, report)
        parts = split.split_dataset(session.workspace, parsed, seed)
        document = {"phrase": phrase, **dataset.summary(found), "split": parts}
        return document, f"Made {len(found.clips):,} clips for “{phrase}”, scanned and split."

    _work(session, "demo", as_job, work)


@app.command()
def scan(context: typer.Context, as_job: AsJob = False) -> None:
    """Find, check and count the clips in data/raw."""
    session: Session = context.obj

    def work(report: Report) -> tuple[dict[str, Any], str]:
        found = dataset.scan(session.workspace, report)
        summary = dataset.summary(found)
        return summary, terminal.scan_text(summary) if not as_job else terminal.scan_line(summary)

    _work(session, "scan", as_job, work)


@app.command(name="split")
def split_verb(context: typer.Context, ratios: Ratios = "70/15/15", seed: Seed = 0, as_job: AsJob = False) -> None:
    """Share the clips out to train, val and test; no speaker and no audio lies in two of them."""
    session: Session = context.obj

    def work(report: Report) -> tuple[dict[str, Any], str]:
        parts = split.split_dataset(session.workspace, split.parse_ratios(ratios), seed)
        return parts, terminal.split_text(parts)

    _work(session, "split", as_job, work)


@app.command()
def validate(context: typer.Context, config: ConfigText) -> None:
    """Check a configuration: every problem, warnings, and the memory it needs by estimate."""
    session: Session = context.obj
    document: dict[str, Any] = {"problems": [], "warnings": [], "estimates": {}}
    path = config_file.find(session.workspace, config)
    try:
        checked = config_file.load(path)
    except config_file.ConfigError as error:
        document["problems"] = [{"option": p.option, "message": p.message} for p in error.problems]
        show(session, document, "")
        terminal.complain("\n".join(map(str, error.problems)))
        raise typer.Exit(2) from None
    document["warnings"] = estimates.warnings(checked)
    document["estimates"] = {"memory_bytes": estimates.memory_bytes(checked)}
    lines = ["No problems.", *(f"Warning: {warning}" for warning in document["warnings"])]
    lines.append(f"Memory (estimate): {estimates.memory_bytes(checked) / 1e9:.1f} GB")
    show(session, document, "\n".join(lines))


@app.command()
def train(
    context: typer.Context,
    config: ConfigText,
    name: Annotated[str, typer.Option(help="A label for the run.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until it ends.")] = False,
) -> None:
    """Start a detached run and print its id; it outlives this terminal."""
    session: Session = context.obj
    path = config_file.find(session.workspace, config)
    started = launch.start(session.workspace, config_file.load(path), path.stem, name)
    if not wait:
        show(session, {"run": started.run.id}, started.run.id)
        return
    status = terminal.wait_for_end(started.run)
    show(session, runs.document(status), terminal.status_text(runs.document(status)))
    if status.state not in ("completed", "stopped"):
        raise typer.Exit(1)


@app.command(name="runs")
def runs_verb(context: typer.Context) -> None:
    """List every run, newest first."""
    session: Session = context.obj
    documents = [runs.document(runs.status(run)) for run in runs.all_runs(session.workspace)]
    show(session, documents, terminal.runs_text(documents))


@app.command()
def status(context: typer.Context, run: RunText) -> None:
    """Tell how a run stands."""
    session: Session = context.obj
    document = runs.document(runs.status(runs.find(session.workspace, run)))
    show(session, document, terminal.status_text(document))


@app.command()
def log(
    context: typer.Context, run: RunText, lines: Annotated[int, typer.Option(help="How many from the end.")] = 100
) -> None:
    """Print the end of a run's log."""
    session: Session = context.obj
    found = runs.find(session.workspace, run)
    last = log_tail.last_lines(found.log_file, lines)
    show(session, {"run": found.id, "lines": last, "file": str(found.log_file)}, "\n".join(last))


@app.command()
def stop(
    context: typer.Context,
    run: RunText,
    now: Annotated[bool, typer.Option("--now", help="Stop after this batch instead of this epoch.")] = False,
) -> None:
    """Stop a run; its best model is kept."""
    session: Session = context.obj
    found = runs.find(session.workspace, run)
    state = launch.stop(found, now)
    text = f"Stopping {found.id} after this {'batch' if now else 'epoch'}."
    show(session, {"run": found.id, "state": state}, text)


def main() -> int:
    """Exit 0: done; 2: bad input, one line that says what to do; 1: it failed while working."""
    arguments = hoist_globals(sys.argv[1:])
    as_json = "--json" in arguments
    try:
        code = app(arguments, prog_name="python -m trainer", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        terminal.complain(error.format_message())
        return 2
    except click.ClickException as error:
        return terminal.refuse(error.format_message(), as_json, 2)
    except (ValueError, FileNotFoundError) as error:
        return terminal.refuse(str(error), as_json, 2)
    except OSError as error:
        return terminal.refuse(f"{error.strerror or error}: {error.filename}", as_json, 1)
    except (KeyboardInterrupt, click.exceptions.Abort):
        return 130
    except Exception as error:  # the edge of the process: the trace for the log, one line for the reader
        traceback.print_exc()
        return terminal.refuse(f"{type(error).__name__}: {error}", as_json, 1)


if __name__ == "__main__":
    sys.exit(main())
