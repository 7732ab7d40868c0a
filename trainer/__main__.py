"""Wakeword Studio on the command line: everything the pages do, without a browser."""

from __future__ import annotations

import io
import sys
import traceback

import click

from trainer.cli import capture, catalog, config, corpora, create, dataset, model, run, terminal, voices, wyoming
from trainer.cli.terminal import Session, hoist_globals
from trainer.system import private
from trainer.system.workspace import open_workspace


@click.group(help=__doc__, epilog="--root and --json can be anywhere on the command line.")
@click.option("--root", default="", help="Workspace: the folder with configs, data and runs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.pass_context
def app(context: click.Context, root: str, as_json: bool) -> None:
    context.obj = Session(open_workspace(root or None), as_json)


NOUNS = (create, dataset, voices, corpora, capture, config, run, catalog, model, wyoming)
for noun in NOUNS:
    for verb in noun.VERBS:
        app.add_command(verb)


def main() -> int:
    """Run a command; returns the exit code. 0: done; 2: bad input, with one line that says what to do; 1: failed."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names need not be valid text
        sys.stdout.reconfigure(errors="backslashreplace")
    private.begin()
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
        return terminal.refuse(terminal.error_text(error), as_json, 1)
    except (KeyboardInterrupt, click.exceptions.Abort):
        return 130
    except Exception as error:  # the edge of the process: the traceback for the log, one line for the user
        terminal.complain(traceback.format_exc())
        return terminal.refuse(f"{type(error).__name__}: {error}", as_json, 1)


if __name__ == "__main__":
    sys.exit(main())
