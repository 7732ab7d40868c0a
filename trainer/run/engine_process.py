"""Runs a module of the engine in a process of its own, and reports the progress that it prints.

The module prints its progress with `print_progress`; its last line on standard error says why it failed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from trainer.system import processes
from trainer.system.job import Report
from trainer.system.workspace import PROJECT_ROOT, Workspace

_PROGRESS = "progress "


def print_progress(done: int, total: int, doing: str) -> None:
    """Report progress to the process that runs this one."""
    print(f"{_PROGRESS}{json.dumps([done, total, doing])}", flush=True)  # noqa: T201 - a pipe that `run` reads


def run(workspace: Workspace, arguments: Sequence[str], report: Report) -> subprocess.CompletedProcess[str]:
    """Run `python -m ARGUMENTS` to its end, which may be a failure. Its output is left out, but for progress; an
    exception in `report`, as of a cancelled job, ends the process."""
    environment = processes.environment_of_engine(workspace)
    command = [sys.executable, "-m", *arguments]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        with process:
            try:
                for line in process.stdout or ():
                    if line.startswith(_PROGRESS):
                        report(*json.loads(line.removeprefix(_PROGRESS)))
            except BaseException:
                process.kill()
                raise
        errors.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, None, errors.read())
