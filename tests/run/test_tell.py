"""Being told that a run has ended, with no browser: a real server, real commands, a real run."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cli.test_command_line import answer, call, refused
from tests.run_folders import end_all, make_run, workspace_at
from tests.tiny import make_workspace, tiny_config
from tests.waiting import PATIENCE, is_gone, wait_for, wait_until
from trainer.audio import manifest
from trainer.run import launch, notifications
from trainer.run.documents import Outcome
from trainer.run.notifications import Notifications
from trainer.run.runs import Run
from trainer.system import log_lines
from trainer.system.workspace import PROJECT_ROOT, Workspace

PYTHON = sys.executable


class Listener(ThreadingHTTPServer):
    """A server that notes what it is told and answers with `answers`, one after the other, then with 200."""

    def __init__(self):
        self.heard, self.answers = [], []
        super().__init__(("127.0.0.1", 0), Ear)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class Ear(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *arguments):
        pass


@pytest.fixture
def listener():
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def workspace(tmp_path):
    made = workspace_at(tmp_path / "workspace")
    made.runs.mkdir()
    return made


def outcome(state: str = "completed", reason: str = "All done.") -> Outcome:
    return Outcome(attempt=1, state=state, reason=reason, ended="2026-01-01T13:00:00+00:00")


def script(workspace: Workspace, text: str) -> tuple[str, ...]:
    path = workspace.root / "hook.py"
    path.write_text(text)
    return (PYTHON, str(path))


WRITE = "import os, sys; open('told', 'w').write(sys.stdin.read() + '\\n' + os.environ['WAKEWORD_STATE'])"


def start_to_fail(workspace: Workspace) -> Run:
    """A run that fails: one of its clips is damaged between the start and the reading."""
    clip = workspace.raw / manifest.read_splits(workspace)["train"][0].path
    whole = clip.read_bytes()
    run = launch.start(workspace, tiny_config(), "tiny", "Kitchen").run
    clip.write_bytes(b"\0" * len(whole))
    return run


@pytest.mark.parametrize("state", ["completed", "failed"])
def test_the_end_of_a_run_is_told_with_no_browser(tmp_path, listener, state):
    workspace = make_workspace(tmp_path)
    command = f"{PYTHON} -c {json.dumps(WRITE)}"
    answer(workspace, "tell", "--webhook", listener.url, "--command", command)
    completes = state == "completed"
    run = (
        launch.start(workspace, tiny_config(epochs=1), "tiny", "Kitchen").run if completes else start_to_fail(workspace)
    )
    status = wait_until(run, state)
    wait_for(lambda: "The command" in log_lines.last_lines(run.log_file, 1)[0])
    (path, kind, document), *more = listener.heard
    assert (path, kind, more) == ("/hook", "application/json", [])
    assert (document["run"], document["label"], document["state"]) == (run.id, "Kitchen", state)
    assert document["reason"] == status.outcome.reason and document["folder"] == str(run.folder)
    assert document["text"] == f"Kitchen: {state}. {status.outcome.reason}"
    assert state == "failed" or (document["epoch"], document["epochs"], document["best"]["epoch"]) == (1, 1, 1)
    on_input, in_environment = (workspace.root / "told").read_text().splitlines()
    assert json.loads(on_input) == document and in_environment == state
    last = [line.split("] ")[1] for line in log_lines.last_lines(run.log_file, 2)]
    assert last == ["Notified the webhook at 127.0.0.1.", "The command python was run."]
    assert wait_until(run, state).outcome == status.outcome
    end_all(workspace)


def test_a_run_is_resumed_while_its_end_is_being_told(tmp_path):
    workspace = make_workspace(tmp_path)
    wait_for_go = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)"
    notifications.write(workspace, Notifications(command=script(workspace, wait_for_go)))
    run = start_to_fail(workspace)
    wait_until(run, "failed")
    assert launch.resume(run) == 2
    wait_until(run, "failed")
    assert not any("The command" in line for line in log_lines.last_lines(run.log_file))
    (workspace.root / "go").touch()
    end_all(workspace)


def test_only_the_ends_that_were_asked_for_are_told(workspace, listener, capsys):
    run = make_run(workspace, label="Kitchen")
    notifications.write(workspace, Notifications(webhook=listener.url, ends=("failed",)))
    for state in ("completed", "stopped", "paused", "failed"):
        notifications.notify_end(run, outcome(state))
    assert [document["state"] for _, _, document in listener.heard] == ["failed"]
    assert capsys.readouterr().out.count("\n") == 1


def test_nothing_is_told_when_nothing_was_asked_for(workspace, capsys):
    notifications.notify_end(make_run(workspace), outcome())
    assert capsys.readouterr().out == ""


def test_a_damaged_file_is_told_in_the_log_and_changes_nothing(workspace, capsys):
    notifications.file_of(workspace).write_text('{"ends": "soon"}')
    notifications.notify_end(make_run(workspace), outcome())
    said = capsys.readouterr().out
    assert "The notification of the end failed" in said and said.endswith(
        "Clear it with: python -m trainer tell --off\n"
    )
    assert refused(workspace, "tell").endswith("python -m trainer tell --off")
    answer(workspace, "tell", "--off")
    assert notifications.read(workspace) == Notifications()


def test_a_command_that_hangs_is_killed_with_what_it_started(workspace, monkeypatch):
    monkeypatch.setattr(notifications, "COMMAND_SECONDS", 3.0)  # enough to start its child, on a busy machine too
    words = script(
        workspace,
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        "open('pid', 'w').write(str(child.pid)); time.sleep(99)",
    )
    (told,) = notifications.send_test(workspace, Notifications(command=words))
    assert told.text == "The command python did not end within 3 s and was killed." and not told.well
    child = int((workspace.root / "pid").read_text())
    assert is_gone(child)


def test_a_command_dies_with_the_supervisor_that_is_ended(workspace):
    words = script(workspace, "import os, time\nopen('pid', 'w').write(str(os.getpid())); time.sleep(99)")
    notifications.write(workspace, Notifications(command=words))
    run = make_run(workspace)
    code = (
        "from pathlib import Path; from trainer.run.documents import Outcome; from trainer.run.runs import Run\n"
        "from trainer.run import notifications\n"
        f"outcome = Outcome.model_validate({outcome().model_dump()!r})\n"
        f"notifications.notify_end(Run(Path({str(run.folder)!r})), outcome)"
    )
    process = subprocess.Popen([PYTHON, "-c", code], cwd=PROJECT_ROOT)
    pid_file = workspace.root / "pid"
    wait_for(lambda: pid_file.exists() and pid_file.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    child = int(pid_file.read_text())
    assert is_gone(child)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import sys; print('dead'); print('no mail'); sys.exit(3)", "failed with exit code 3. no mail"),
        ("import os; os.close(0)", "was run."),
        ("import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])", "was run."),
        ("print('x' * 10_000_000)", "was run."),
    ],
)
def test_how_a_command_went_is_one_line(workspace, text, told):
    begin = time.monotonic()
    (found,) = notifications.send_test(workspace, Notifications(command=script(workspace, text)))
    assert found.text == f"The command python {told}" and found.well == (told == "was run.")
    assert time.monotonic() - begin < 2.5, "what a command leaves running is not waited for"


def test_a_command_that_is_gone_is_told(workspace):
    (told,) = notifications.send_test(workspace, Notifications(command=("/nowhere/notify",)))
    assert told == notifications.Delivery(False, "The command notify could not be run: No such file or directory.")


@pytest.mark.parametrize(
    ("answers", "problem", "posts"),
    [
        ([503, 429], "", 3),
        ([500, 500, 500], "it answered 500", 3),
        ([404], "it answered 404", 1),
        ([302], "it answered 302 and points to /elsewhere", 1),
        ([307], "it answered 307 and points to /elsewhere", 1),
    ],
)
def test_a_webhook_is_tried_again_when_that_makes_sense(monkeypatch, listener, answers, problem, posts):
    monkeypatch.setattr(notifications, "FIRST_PAUSE_SECONDS", 0.01)
    listener.answers = answers
    assert notifications.post(listener.url, {}, 3) == problem
    assert len(listener.heard) == posts and {path for path, _, _ in listener.heard} == {"/hook"}


def test_a_server_that_hangs_or_is_not_there_is_told(workspace, monkeypatch):
    with monkeypatch.context() as patched, socket.create_server(("127.0.0.1", 0)) as deaf:
        patched.setattr(notifications, "WEBHOOK_SECONDS", 1.0)
        (told,) = notifications.send_test(
            workspace, Notifications(webhook=f"http://127.0.0.1:{deaf.getsockname()[1]}/secret")
        )
    assert told == notifications.Delivery(False, "The webhook at 127.0.0.1 did not answer within 1 s.")
    (told,) = notifications.send_test(workspace, Notifications(webhook="http://127.0.0.1:1/secret"))
    assert "Connection refused" in told.text and "secret" not in told.text


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://x/y", "example.org/hook", "http://", "http://[x", "http://x:port/", "http://a b/",
     "http://me:secret@x/", "http://x/\nHost: y"],
)  # fmt: skip
def test_a_bad_address_is_refused_in_a_sentence(url):
    for attempt in (notifications.checked_webhook, lambda url: notifications.post(url, {}, 1)):
        with pytest.raises(ValueError, match=r"^The webhook must be an address like https://example\.org/hook"):
            attempt(url)


def test_the_verb_sets_shows_tests_and_clears(workspace, listener):
    assert call(workspace, "tell").stdout == "No notifications are set. Set --webhook or --command.\n"
    assert "No notification is set" in refused(workspace, "tell", "--test")
    made = answer(workspace, "tell", "--webhook", listener.url, "--ends", "failed, stopped", "--test")
    assert made == {
        "webhook": listener.url, "command": [], "ends": ["stopped", "failed"],
        "told": [{"well": True, "text": "Notified the webhook at 127.0.0.1."}],
    }  # fmt: skip
    assert listener.heard[0][2]["state"] == "test"
    assert stat.S_IMODE(os.stat(notifications.file_of(workspace)).st_mode) == 0o600
    assert answer(workspace, "tell", "--command", "sh -c 'exit 2'")["command"][1:] == ["-c", "exit 2"]
    done = call(workspace, "tell", "--test")
    assert done.returncode == 1 and done.stdout.endswith("The command sh failed with exit code 2.\n")
    assert f"Webhook: {listener.url}" in done.stdout and "sh -c 'exit 2'" in done.stdout
    assert answer(workspace, "tell", "--off")["webhook"] == ""


def test_what_cannot_be_set_is_refused_in_a_sentence(workspace):
    assert "'no-such-thing' was not found" in refused(workspace, "tell", "--command", "no-such-thing now")
    assert "Close every quote" in refused(workspace, "tell", "--command", "echo 'x")
    assert "Choose one or more of completed" in refused(workspace, "tell", "--ends", "lost")
    assert "cannot be combined" in refused(workspace, "tell", "--off", "--test")
    assert not notifications.file_of(workspace).exists()
