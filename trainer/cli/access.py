"""The verb of the command line about access to the pages."""

from __future__ import annotations

import click

from trainer.cli.terminal import Session, show
from trainer.system import access_token


@click.command(name="token")
@click.pass_obj
def token_verb(session: Session) -> None:
    """Print the access token of the app. It is in the workspace; one that was set by WAKEWORD_TOKEN is not."""
    token = access_token.read(session.workspace)
    show(session, {"token": token, "file": str(access_token.file_of(session.workspace))}, token)


VERBS = (token_verb,)
