"""The access token of the app: generated and stored in the workspace with owner-only permissions, or set by the user.

It outlives the server, so that bookmarks, cookies and open tabs work after a restart. Delete the file to get a new
token at the next start.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from trainer.system import durable, processes
from trainer.system.workspace import Workspace

VARIABLE = "WAKEWORD_TOKEN"
"""`off` for no token, else the token to use; unset or empty for the token in the workspace."""
OFF = "off"
LEAST_CHARACTERS = 8
MOST_BYTES = 200


def file_of(workspace: Workspace) -> Path:
    return workspace.jobs / "access-token"


def from_environment() -> str | None:
    """The value of WAKEWORD_TOKEN: OFF, a token, or None when it is not set. Raises ValueError for a token that is
    too short or not printable."""
    text = os.environ.get(VARIABLE, "").strip()
    if text.casefold() == OFF:
        return OFF
    if text and len(text) < LEAST_CHARACTERS:
        raise ValueError(
            f"{VARIABLE} has {len(text)} of at least {LEAST_CHARACTERS} characters. Set a longer token, `{OFF}` to ask "
            "for none, or leave it out for a random one."
        )
    if not text.isprintable():
        raise ValueError(
            f"{VARIABLE} contains bytes or control characters that are not text. Set a token of letters and digits."
        )
    return text or None


def of(workspace: Workspace) -> str:
    """The token of this workspace; creates one unless there is one that only its owner can read.

    If the file cannot be written, the token is valid for this process only.
    """
    path, token = file_of(workspace), secrets.token_urlsafe(24)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with processes.exclusive_lock(path.with_name("lock")):
            if (stored := _read(path)) is not None:
                return stored
            durable.replace_bytes(path, f"{token}\n".encode())
    return token


def read(workspace: Workspace) -> str:
    """The token in the workspace. Raises FileNotFoundError when there is none."""
    token = _read(file_of(workspace))
    if token is None:
        raise FileNotFoundError(f"{workspace.root} has no access token yet. Start the app with `make app` first.")
    return token


def _read(path: Path) -> str | None:
    """The token in a regular file owned by this user with owner-only permissions; else None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        private = facts.st_uid == os.geteuid() and not facts.st_mode & 0o077
        text = file.read(MOST_BYTES).strip() if stat.S_ISREG(facts.st_mode) and private else b""
    return text.decode() if len(text) >= LEAST_CHARACTERS and text.isascii() else None
