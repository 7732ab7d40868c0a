"""What the user wants to happen when a run ends: a webhook, a command, and after which ends."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from trainer.run.state import Ended
from trainer.system import durable
from trainer.system.workspace import Workspace

ENDS: tuple[Ended, ...] = get_args(Ended)


class Announcement(BaseModel, frozen=True):
    """runs/tell.json, written by the page or the command line; `command` is split into its words."""

    webhook: str = ""
    command: tuple[str, ...] = ()
    ends: tuple[Ended, ...] = ("completed", "failed")

    @property
    def is_silent(self) -> bool:
        return not (self.webhook or self.command)


def file_of(workspace: Workspace) -> Path:
    return workspace.runs / "tell.json"


def read(workspace: Workspace) -> Announcement:
    """What is asked for now; nothing when nobody ever asked. Raises ValueError when the file holds something else."""
    path = file_of(workspace)
    if not path.exists():
        return Announcement()
    try:
        return Announcement.model_validate(durable.read_json(path))
    except ValidationError:
        raise ValueError(
            f"{path} does not say what is to happen when a run ends. Clear it with: python -m trainer tell --off"
        ) from None


def write(workspace: Workspace, announcement: Announcement) -> None:
    """Keep it for this user alone: the address of a webhook often is its password. Raises OSError."""
    workspace.runs.mkdir(parents=True, exist_ok=True)
    durable.replace_json(file_of(workspace), announcement.model_dump())


def checked_webhook(text: str) -> str:
    """The address without blanks around it, or nothing. Raises ValueError when it is none that a run can be told to."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
    except ValueError:  # brackets or a port that are none
        fits = False
    if url and (not fits or not url.isprintable() or " " in url):
        raise ValueError(
            f"The webhook must be an address like https://example.org/hook, without a user name; {url!r} given."
        )
    return url


def split_command(text: str) -> tuple[str, ...]:
    """The words of a command line, its program as an absolute path. Raises ValueError when it cannot be run."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"The command {text!r} cannot be split into words: {error}. Close every quote.") from None
    if not words:
        return ()
    program = shutil.which(words[0])
    if program is None:
        raise ValueError(f"There is no program {words[0]!r} to run. Give the path of one that may be executed.")
    return (str(Path(program).absolute()), *words[1:])


def checked_ends(names: Sequence[str]) -> tuple[Ended, ...]:
    """The ends of these names, in the usual order. Raises ValueError for another name, and for none at all."""
    wanted = {name.strip() for name in names}
    if not wanted or not wanted <= set(ENDS):
        given = ", ".join(sorted(wanted - set(ENDS))) or "none"
        raise ValueError(f"The ends to be told of are some of {', '.join(ENDS)}; {given} given.")
    return tuple(end for end in ENDS if end in wanted)
