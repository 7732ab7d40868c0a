"""What happens when a run has ended: its supervisor posts to a webhook and runs a command, if the user asked for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from trainer.run import announcement, run_document, runs
from trainer.run.announcement import Announcement
from trainer.run.documents import Outcome
from trainer.run.runs import Run
from trainer.system.log_lines import say
from trainer.system.workspace import PROJECT_ROOT, Workspace

WEBHOOK_TRIES = 3
WEBHOOK_SECONDS = 45.0
"""For all tries together."""
COMMAND_SECONDS = 60.0

Message = dict[str, Any]
"""What is told of a run: run, label, state, reason, epoch, epochs, best, folder, and all in one line as text."""


@dataclass(frozen=True)
class Told:
    """How one hook went, as a sentence."""

    well: bool
    text: str


@dataclass(frozen=True)
class _Ran:
    """How a process ended; the exit code is None when its time was up. `last` is the last line that it wrote."""

    exit_code: int | None
    last: str


def tell_end(run: Run, outcome: Outcome) -> None:
    """Tell that the run has ended, in the ways that are set now, and say in its log how that went.

    The last thing that a supervisor does: whatever goes wrong here is a line in the log and changes nothing else.
    """
    workspace = Workspace(run.folder.parent.parent)
    signal.signal(signal.SIGTERM, _leave)
    try:
        wanted = announcement.read(workspace)
        for told in tell(workspace, wanted, message_of(run, outcome)) if outcome.state in wanted.ends else []:
            say(told.text)
    except (ValueError, OSError) as error:
        say(f"Nobody was told of the end: {error}")


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def message_of(run: Run, outcome: Outcome) -> Message:
    document = run_document.of(runs.status(run))
    told = {name: document[name] for name in ("run", "label", "epoch", "epochs", "best", "folder")}
    text = f"{document['label']}: {outcome.state}. {outcome.reason}"
    return {**told, "state": outcome.state, "reason": outcome.reason, "text": text}


def test(workspace: Workspace, wanted: Announcement) -> list[Told]:
    """Send a message that tells of no run now. Raises ValueError when there is nothing to send it to."""
    if wanted.is_silent:
        raise ValueError("There is nothing to test: set a webhook or a command first.")
    reason = "This is a test; the end of a run is told like this."
    message = {
        "run": "test", "label": "Wakeword Studio", "state": "test", "reason": reason, "epoch": 0, "epochs": 0,
        "best": None, "folder": str(workspace.runs), "text": f"Wakeword Studio: test. {reason}",
    }  # fmt: skip
    return tell(workspace, wanted, message, webhook_tries=1)


def tell(
    workspace: Workspace, wanted: Announcement, message: Message, webhook_tries: int = WEBHOOK_TRIES
) -> list[Told]:
    """Do what is wanted, the webhook first: a command may turn the machine off."""
    told = [_post(wanted.webhook, message, webhook_tries)] if wanted.webhook else []
    return [*told, _command(workspace, wanted.command, message)] if wanted.command else told


def _post(url: str, message: Message, tries: int) -> Told:
    asked = json.dumps({"url": url, "tries": tries, "document": message}).encode()
    ran = _run([sys.executable, "-m", "trainer.run.webhook"], asked, WEBHOOK_SECONDS, PROJECT_ROOT, {})
    if ran.exit_code is None:
        host = urlsplit(url).hostname
        return Told(False, f"The webhook at {host} was not told: it did not answer within {WEBHOOK_SECONDS:g} s.")
    return Told(ran.exit_code == 0, ran.last)


def _command(workspace: Workspace, words: Sequence[str], message: Message) -> Told:
    environment = {
        f"WAKEWORD_{name.upper()}": str(message[name]).replace("\0", "")
        for name in ("run", "state", "label", "reason", "folder")
    }
    name = Path(words[0]).name
    try:
        ran = _run(words, json.dumps(message).encode(), COMMAND_SECONDS, workspace.root, environment)
    except OSError as error:
        return Told(False, f"The command {name} could not be run: {error.strerror}.")
    if ran.exit_code is None:
        return Told(False, f"The command {name} did not end within {COMMAND_SECONDS:g} s and was killed.")
    if ran.exit_code:
        return Told(False, f"The command {name} failed with exit code {ran.exit_code}. {ran.last}".strip())
    return Told(True, f"The command {name} was run.")


def _run(words: Sequence[str], given: bytes, seconds: float, root: Path, environment: dict[str, str]) -> _Ran:
    """Run a program with `given` on its standard input; when its time is up, it is killed with all its group.

    What it writes goes to a file: what it leaves running would hold a pipe open. Raises OSError when it cannot start.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=root, env={**os.environ, **environment},
            start_new_session=True,
        )  # fmt: skip
        in_time = True
        try:
            process.communicate(given, seconds)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            if process.returncode is None:  # its time is up, or somebody ends us
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return _Ran(process.returncode if in_time else None, _last_line(output.fileno()))


def _last_line(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 1000, max(0, size - 1000)).decode(errors="replace")
    return next((line for line in reversed(tail.splitlines()) if line.strip()), "")
