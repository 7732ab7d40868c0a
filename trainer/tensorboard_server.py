"""The process of TensorBoard: takes a free port of 127.0.0.1, says which, and serves until it is told to end.

python -m trainer.tensorboard_server WORKSPACE
"""

from __future__ import annotations

import os
import secrets
import signal
import sys

from trainer import durable, private, processes, tensorboard
from trainer.tensorboard import Server
from trainer.workspace import Workspace, open_workspace


def serve(workspace: Workspace) -> int:
    """Serve until SIGTERM or SIGINT. Exits 0 when another one serves already."""
    if processes.try_lock(tensorboard.lock_file(workspace)) is None:
        return 0
    from tensorboard.program import TensorBoard

    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # in its threads too, so that the wait below gets them
    program = TensorBoard()
    secret = secrets.token_urlsafe(16)  # in the path, so that other users of the machine do not find the pages
    program.configure(logdir=str(workspace.runs), host="127.0.0.1", port=0, path_prefix=f"/{secret}")
    address = program.launch()
    identity = processes.identity_of(os.getpid())
    told = Server(boot_id=identity.boot_id, clock=processes.boot_clock(), identity=identity, address=address)
    durable.replace_json(tensorboard.state_file(workspace), told.model_dump())
    signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    private.begin()
    sys.exit(serve(open_workspace(sys.argv[1])))
