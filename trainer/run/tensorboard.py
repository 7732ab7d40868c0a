"""TensorBoard for the runs of a workspace: one process on 127.0.0.1, started and stopped on request.

It outlives the page or command that starts it; `data/jobs/tensorboard.json` holds its address. The process itself is
`python -m trainer.run.tensorboard WORKSPACE`.
"""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import socket
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from trainer.run.runs import Run
from trainer.system import durable, liveness, log_lines, private, processes
from trainer.system.liveness import Witness
from trainer.system.processes import ProcessIdentity
from trainer.system.workspace import Workspace, open_workspace

ENDING_SECONDS = 10.0


class Server(BaseModel, frozen=True):
    """tensorboard.json, written at the start and then by the server; no address while it starts."""

    boot_id: str
    host: str = ""
    machine_id: str = ""
    clock: float
    identity: ProcessIdentity | None = None
    address: str = ""


def state_file(workspace: Workspace) -> Path:
    return workspace.jobs / "tensorboard.json"


def lock_file(workspace: Workspace) -> Path:
    """Held by the server while it runs, so that there is only one."""
    return workspace.jobs / "tensorboard.lock"


def stop_file(workspace: Workspace) -> Path:
    """Exists when the server should end and could not be signalled."""
    return workspace.jobs / "tensorboard.stop"


def log_file(workspace: Workspace) -> Path:
    return workspace.jobs / "tensorboard.log"


def begun(identity: ProcessIdentity | None = None, address: str = "") -> Server:
    """A server that starts now on this machine."""
    return Server(
        boot_id=processes.boot_id(),
        host=socket.gethostname(),
        machine_id=processes.machine_id(),
        clock=processes.boot_clock(),
        identity=identity,
        address=address,
    )


def running(workspace: Workspace) -> Server | None:
    """The server of this workspace, which may still be starting; None when none is known to be alive."""
    found = durable.read_document(Server, state_file(workspace))
    if found is None:
        return None
    witness = Witness(
        lock=lock_file(workspace),
        boot_id=found.boot_id,
        host=found.host,
        machine_id=found.machine_id,
        identities=(found.identity,) if found.identity else (),
    )
    return found if liveness.life(witness) == "alive" else None


def start(workspace: Workspace) -> None:
    """Start the server unless one runs; it is ready once `running` returns an address, some seconds later.

    Raises OSError when the folders cannot be written, subprocess.SubprocessError when no process could be started.
    """
    workspace.runs.mkdir(exist_ok=True)
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    with processes.exclusive_lock(workspace.jobs / "lock"):
        if running(workspace):
            return
        with processes.exclusive_lock(lock_file(workspace), ENDING_SECONDS) as lock:
            durable.replace_json(state_file(workspace), begun().model_dump())
            log_file(workspace).unlink(missing_ok=True)
            stop_file(workspace).unlink(missing_ok=True)
            command = ["-m", "trainer.run.tensorboard", str(workspace.root)]
            processes.start_detached(command, log_file(workspace), processes.lock_environment(lock))


def wait(workspace: Workspace) -> Server:
    """The started server, once it has an address. Raises ValueError when it did not start."""
    while (found := running(workspace)) and not found.address:
        time.sleep(0.1)
    if found is None:
        said = " ".join(log_lines.last_lines(log_file(workspace), 1))
        raise ValueError(f"TensorBoard did not start ({said or 'no message'}); see {log_file(workspace)}")
    return found


def stop(workspace: Workspace) -> bool:
    """Stop the server; False when none was running. Raises TimeoutError when it does not end."""
    found = running(workspace)
    found = wait(workspace) if found and not found.identity else found
    if found is None or found.identity is None:
        return False
    if not processes.send_signal(found.identity, signal.SIGTERM):
        stop_file(workspace).touch()
    deadline = time.monotonic() + ENDING_SECONDS
    while running(workspace):
        if time.monotonic() > deadline:
            raise TimeoutError(f"TensorBoard (process {found.identity.pid}) was asked to end and still runs.")
        time.sleep(0.05)
    return True


def address_of(server: Server, run: Run | None = None) -> str:
    """The address for a browser, with only the curves of `run` if given."""
    return f"{server.address}?runFilter={run.id}#timeseries" if run else server.address


def command(workspace: Workspace, run: Run | None = None) -> str:
    """The shell command that starts TensorBoard by hand, for all runs or for one."""
    logs = run.folder / "tensorboard" if run else workspace.runs
    return shlex.join([sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1"])


LOOK_SECONDS = 0.2


def serve(workspace: Workspace, lock: int | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or until the stop file is there. Exits 0 when another one serves already.

    `lock` is the lock of the server if the parent process has already taken it.
    """
    lock = processes.try_lock(lock_file(workspace)) if lock is None else lock
    if lock is None:
        return 0
    from tensorboard.program import TensorBoard

    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # in its threads too, so that the look below sees them
    program = TensorBoard()
    secret = secrets.token_urlsafe(16)  # in the path, so that other users of the machine do not find the pages
    program.configure(logdir=str(workspace.runs), host="127.0.0.1", port=0, path_prefix=f"/{secret}")
    address = program.launch()
    told = begun(processes.identity_of(os.getpid()), address)
    durable.replace_json(state_file(workspace), told.model_dump())
    while not (stop_file(workspace).exists() or signal.sigpending() & ends):
        time.sleep(LOOK_SECONDS)
    return 0


if __name__ == "__main__":
    private.begin()
    sys.exit(serve(open_workspace(sys.argv[1]), processes.inherited_lock()))
