"""What tests fork is what a new interpreter runs."""

import os
import signal
import subprocess
import sys

import pytest

from tests import fork_server
from trainer.system.workspace import PROJECT_ROOT


@pytest.mark.parametrize("words", [["--help"], ["fly"], ["status", "latest", "--json"]])
def test_a_forked_command_answers_as_a_new_interpreter(words: list[str], tmp_path):
    words = [*words, "--root", str(tmp_path)]
    forked = fork_server.command(*words)
    command = [sys.executable, "-m", "trainer", *words]
    anew = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT_ROOT, check=False)
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_a_forked_process_is_waited_for_and_told_by_its_signal(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        server = fork_server.start_pages(["hello", "--server.headless=true", "--server.port=0"], log, {})
        assert server.poll() is None
        os.kill(server.pid, signal.SIGKILL)
    assert server.wait(20) == server.poll() == -signal.SIGKILL
