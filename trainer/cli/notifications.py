"""The verb of the command line about being told that a run has ended."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import click

from trainer.cli.terminal import Session, show
from trainer.run import announcement, hooks
from trainer.run.announcement import Announcement


def _changes(webhook: str | None, command: str | None, ends: str | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if webhook is not None:
        changes["webhook"] = announcement.checked_webhook(webhook)
    if command is not None:
        changes["command"] = announcement.split_command(command)
    if ends is not None:
        changes["ends"] = announcement.checked_ends(ends.split(","))
    return changes


def _text(wanted: Announcement) -> str:
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
    wanted = Announcement() if off else announcement.read(session.workspace).model_copy(update=changes)
    if off or changes:
        announcement.write(session.workspace, wanted)
    told = hooks.test(session.workspace, wanted) if test else []
    document = {**wanted.model_dump(), "told": [asdict(one) for one in told]}
    show(session, document, "\n".join([_text(wanted), *(one.text for one in told)]))
    if not all(one.well for one in told):
        raise click.exceptions.Exit(1)


VERBS = (tell_verb,)
