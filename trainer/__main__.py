"""The command line: one verb, one function. Everything the pages do, without a browser."""

from __future__ import annotations

import sys
import traceback

import click

from trainer import config_file, config_verbs, launch, log_tail, runs, tell_verbs, terminal
from trainer.dataset import verbs as dataset_verbs
from trainer.terminal import Session, hoist_globals, show
from trainer.workspace import open_workspace

CONFIG = click.argument("config", metavar="CONFIG")
RUN = click.argument("run", metavar="RUN")


@click.group(help=__doc__, epilog="--root and --json may stand anywhere on the line.")
@click.option("--root", default="", help="Workspace: the folder that holds configs, data and runs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.pass_context
def app(context: click.Context, root: str, as_json: bool) -> None:
    context.obj = Session(open_workspace(root or None), as_json)


@app.command()
@CONFIG
@click.option("--name", default="", help="A label for the run.")
@click.option("--wait", is_flag=True, help="Show progress until it ends.")
@click.pass_obj
def train(session: Session, config: str, name: str, wait: bool) -> None:
    """Start a detached run of CONFIG (a YAML file, a saved configuration or a preset) and print its id."""
    path = config_file.find(session.workspace, config)
    started = launch.start(session.workspace, config_file.load(path), path.stem, name)
    if not wait:
        show(session, {"run": started.run.id}, started.run.id)
        return
    status = terminal.wait_for_end(started.run)
    show(session, runs.document(status), terminal.status_text(runs.document(status)))
    if status.state not in ("completed", "stopped"):
        raise click.exceptions.Exit(1)


@app.command(name="runs")
@click.pass_obj
def runs_verb(session: Session) -> None:
    """List every run, newest first."""
    documents = [runs.document(runs.status(run)) for run in runs.all_runs(session.workspace)]
    show(session, documents, terminal.runs_text(documents))


@app.command()
@RUN
@click.pass_obj
def status(session: Session, run: str) -> None:
    """Tell how RUN stands: an id, an unambiguous start of one, or `latest`."""
    document = runs.document(runs.status(runs.find(session.workspace, run)))
    show(session, document, terminal.status_text(document))


@app.command()
@RUN
@click.option("--lines", default=100, show_default=True, help="How many from the end.")
@click.pass_obj
def log(session: Session, run: str, lines: int) -> None:
    """Print the end of the log of RUN: an id, an unambiguous start of one, or `latest`."""
    found = runs.find(session.workspace, run)
    last = log_tail.last_lines(found.log_file, lines)
    show(session, {"run": found.id, "lines": last, "file": str(found.log_file)}, "\n".join(last))


@app.command()
@RUN
@click.option("--now", is_flag=True, help="Stop after this batch instead of this epoch.")
@click.pass_obj
def stop(session: Session, run: str, now: bool) -> None:
    """Stop RUN (an id, an unambiguous start of one, or `latest`); its best model is kept."""
    found = runs.find(session.workspace, run)
    state = launch.stop(found, now)
    text = f"Stopping {found.id} after this {'batch' if now else 'epoch'}."
    show(session, {"run": found.id, "state": state}, text)


@app.command()
@RUN
@click.pass_obj
def resume(session: Session, run: str) -> None:
    """Let RUN (an id, an unambiguous start of one, or `latest`) go on from its last checkpoint."""
    found = runs.find(session.workspace, run)
    attempt = launch.resume(found)
    show(session, {"run": found.id, "attempt": attempt}, f"{found.id} goes on (attempt {attempt}).")


for verb in (*dataset_verbs.VERBS, *config_verbs.VERBS, *tell_verbs.VERBS):
    app.add_command(verb)


def main() -> int:
    """Exit 0: done; 2: bad input, one line that says what to do; 1: it failed while working."""
    arguments = hoist_globals(sys.argv[1:])
    as_json = "--json" in arguments
    try:
        code = app.main(arguments, prog_name="python -m trainer", standalone_mode=False)
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
