"""Notifications when a run ends: the settings, the webhook and the command.

The supervisor sends them. A separate process posts the webhook, so that it can be killed when a server blocks:
`python -m trainer.run.notifications` reads {"url", "tries", "document"} from standard input (arguments are visible to
other users, and the address may be secret) and prints one sentence. Exit 0: delivered; 1: failed.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from trainer.run import runs
from trainer.run.documents import Outcome
from trainer.run.runs import Run
from trainer.run.state import Ended
from trainer.system import durable
from trainer.system.log_lines import say
from trainer.system.workspace import PROJECT_ROOT, Workspace

ENDS: tuple[Ended, ...] = get_args(Ended)


class Notifications(BaseModel, frozen=True):
    """runs/tell.json, written by the page or the command line; `command` is a list of arguments."""

    webhook: str = ""
    command: tuple[str, ...] = ()
    ends: tuple[Ended, ...] = ("completed", "failed")

    @property
    def is_silent(self) -> bool:
        return not (self.webhook or self.command)


def file_of(workspace: Workspace) -> Path:
    return workspace.runs / "tell.json"


def read(workspace: Workspace) -> Notifications:
    """The current settings, empty when there are none. Raises ValueError when the file is damaged."""
    path = file_of(workspace)
    if not path.exists():
        return Notifications()
    try:
        return Notifications.model_validate(durable.read_json(path))
    except ValidationError:
        raise ValueError(f"{path} is damaged. Clear it with: python -m trainer tell --off") from None


def write(workspace: Workspace, settings: Notifications) -> None:
    """Save the settings, readable by this user only: the address of a webhook is often secret. Raises OSError."""
    workspace.runs.mkdir(parents=True, exist_ok=True)
    durable.replace_json(file_of(workspace), settings.model_dump())


def checked_webhook(text: str) -> str:
    """The address without surrounding spaces; may be empty. Raises ValueError when it is not a webhook address."""
    url = text.strip()
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
    except ValueError:  # invalid brackets or port
        fits = False
    if url and (not fits or not url.isprintable() or " " in url):
        raise ValueError(
            f"The webhook must be an address like https://example.org/hook, without a user name, not {url!r}."
        )
    return url


def checked_command(text: str) -> tuple[str, ...]:
    """The arguments of a command line, the program as an absolute path. Raises ValueError when it cannot be run."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"The command {text!r} cannot be parsed: {error}. Close every quote.") from None
    if not words:
        return ()
    program = shutil.which(words[0])
    if program is None:
        raise ValueError(f"The program {words[0]!r} was not found. Enter the path of an executable.")
    return (str(Path(program).absolute()), *words[1:])


def checked_ends(names: Sequence[str]) -> tuple[Ended, ...]:
    """The end states with these names, in the order of ENDS. Raises ValueError for an unknown name or an empty list."""
    wanted = {name.strip() for name in names}
    if not wanted or not wanted <= set(ENDS):
        given = ", ".join(sorted(wanted - set(ENDS))) or "none"
        raise ValueError(f"Choose one or more of {', '.join(ENDS)}; got {given}.")
    return tuple(end for end in ENDS if end in wanted)


WEBHOOK_TRIES = 3
WEBHOOK_SECONDS = 45.0
"""For all tries together."""
COMMAND_SECONDS = 60.0

Message = dict[str, Any]
"""The content: run, label, state, reason, epoch, epochs, best, folder, and `text`, a one-line summary."""


@dataclass(frozen=True)
class Delivery:
    """The result of one notification, as a sentence."""

    well: bool
    text: str


@dataclass(frozen=True)
class _Ended:
    """The exit code of a process, None after a timeout, and the last line that it wrote."""

    exit_code: int | None
    last_line: str


def notify_end(run: Run, outcome: Outcome) -> None:
    """Send the notifications of the end of a run and log the results.

    This is the last step of a supervisor; an error here is only logged.
    """
    workspace = run.workspace
    signal.signal(signal.SIGTERM, _leave)
    try:
        settings = read(workspace)
        for delivery in notify(workspace, settings, message_of(run, outcome)) if outcome.state in settings.ends else []:
            say(delivery.text)
    except (ValueError, OSError) as error:
        say(f"The notification of the end failed: {error}")


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def message_of(run: Run, outcome: Outcome) -> Message:
    document = runs.document(runs.status(run))
    facts = {name: document[name] for name in ("run", "label", "epoch", "epochs", "best", "folder")}
    text = f"{document['label']}: {outcome.state}. {outcome.reason}"
    return {**facts, "state": outcome.state, "reason": outcome.reason, "text": text}


def send_test(workspace: Workspace, settings: Notifications) -> list[Delivery]:
    """Send a test message. Raises ValueError when neither a webhook nor a command is set."""
    if settings.is_silent:
        raise ValueError("No notification is set. Set a webhook or a command first.")
    reason = "This is a test of the notification that is sent when a run ends."
    message = {
        "run": "test",
        "label": "Wakeword Studio",
        "state": "test",
        "reason": reason,
        "epoch": 0,
        "epochs": 0,
        "best": None,
        "folder": str(workspace.runs),
        "text": f"Wakeword Studio: test. {reason}",
    }
    return notify(workspace, settings, message, webhook_tries=1)


def notify(
    workspace: Workspace, settings: Notifications, message: Message, webhook_tries: int = WEBHOOK_TRIES
) -> list[Delivery]:
    """Send all notifications, the webhook first, because a command may turn the machine off."""
    sent = [_post_webhook(settings.webhook, message, webhook_tries)] if settings.webhook else []
    return [*sent, _run_command(workspace, settings.command, message)] if settings.command else sent


def _post_webhook(url: str, message: Message, tries: int) -> Delivery:
    request = json.dumps({"url": url, "tries": tries, "document": message}).encode()
    ended = _run([sys.executable, "-m", "trainer.run.notifications"], request, WEBHOOK_SECONDS, PROJECT_ROOT, {})
    if ended.exit_code is None:
        host = urlsplit(url).hostname
        return Delivery(False, f"The webhook at {host} did not answer within {WEBHOOK_SECONDS:g} s.")
    return Delivery(ended.exit_code == 0, ended.last_line)


def _run_command(workspace: Workspace, words: Sequence[str], message: Message) -> Delivery:
    environment = {
        f"WAKEWORD_{name.upper()}": str(message[name]).replace("\0", "")
        for name in ("run", "state", "label", "reason", "folder")
    }
    name = Path(words[0]).name
    try:
        ended = _run(words, json.dumps(message).encode(), COMMAND_SECONDS, workspace.root, environment)
    except OSError as error:
        return Delivery(False, f"The command {name} could not be run: {error.strerror}.")
    if ended.exit_code is None:
        return Delivery(False, f"The command {name} did not end within {COMMAND_SECONDS:g} s and was killed.")
    if ended.exit_code:
        reason = f"failed with exit code {ended.exit_code}. {ended.last_line}".strip()
        return Delivery(False, f"The command {name} {reason}")
    return Delivery(True, f"The command {name} was run.")


def _run(words: Sequence[str], stdin: bytes, seconds: float, root: Path, environment: dict[str, str]) -> _Ended:
    """Run a program with `stdin` as its standard input; after the timeout, kill it and its process group.

    Its output goes to a file, because a process that it leaves running would keep a pipe open. Raises OSError.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=root,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        in_time = True
        try:
            process.communicate(stdin, seconds)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            if process.returncode is None:  # after a timeout, or when this process is killed
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _Ended(process.returncode if in_time else None, _last_line(output.fileno()))


def _last_line(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 1000, max(0, size - 1000)).decode(errors="replace")
    return next((line for line in reversed(tail.splitlines()) if line.strip()), "")


TIMEOUT_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 1.0
"""Before the second try; twice as long before each further one."""


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https only, without redirects, which would drop the document or send it elsewhere."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", "wakeword-studio")]
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _problem(url: str, body: bytes) -> tuple[str, bool]:
    """Post once; returns the problem, empty on success, and whether to try again."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked by post)
    try:
        with _opener().open(request, timeout=TIMEOUT_SECONDS):
            return "", False
    except urllib.error.HTTPError as error:
        error.close()
        where = f" and points to {error.headers['Location']}" if 300 <= error.code < 400 else ""
        return f"it answered {error.code}{where}", error.code >= 500 or error.code == 429
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)  # urllib wraps the error of the operating system
        return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__, True


def post(url: str, document: dict[str, Any], tries: int) -> str:
    """Post the document; returns the problem, empty on success. Raises ValueError for a bad address."""
    checked_webhook(url)
    body = json.dumps(document, ensure_ascii=False).encode()
    pause = FIRST_PAUSE_SECONDS
    for left in range(tries - 1, -1, -1):
        problem, retry = _problem(url, body)
        if not problem or not retry or not left:
            break
        time.sleep(pause)
        pause *= 2
    return problem


def main() -> int:
    request = json.load(sys.stdin)
    host = urlsplit(request["url"]).hostname
    problem = post(request["url"], request["document"], request["tries"])
    print(f"The webhook at {host} failed: {problem}." if problem else f"Notified the webhook at {host}.")  # noqa: T201
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
