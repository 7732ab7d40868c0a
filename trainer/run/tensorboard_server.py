"""The process of TensorBoard: takes a free port of 127.0.0.1, says which, and serves until it is told to end.

python -m trainer.run.tensorboard_server WORKSPACE
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time

from trainer.run import tensorboard
from trainer.system import durable, private, processes
from trainer.system.workspace import Workspace, open_workspace

LOOK_SECONDS = 0.2


def serve(workspace: Workspace, lock: int | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or until the stop file is there. Exits 0 when another one serves already.

    `lock` is the lock of the one that serves, where whoever started us has taken it for us.
    """
    lock = processes.try_lock(tensorboard.lock_file(workspace)) if lock is None else lock
    if lock is None:
        return 0
    from tensorboard.program import TensorBoard

    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # in its threads too, so that the look below sees them
    program = TensorBoard()
    secret = secrets.token_urlsafe(16)  # in the path, so that other users of the machine do not find the pages
    program.configure(logdir=str(workspace.runs), host="127.0.0.1", port=0, path_prefix=f"/{secret}")
    address = program.launch()
    told = tensorboard.begun(processes.identity_of(os.getpid()), address)
    durable.replace_json(tensorboard.state_file(workspace), told.model_dump())
    while not (tensorboard.stop_file(workspace).exists() or signal.sigpending() & ends):
        time.sleep(LOOK_SECONDS)
    return 0


if __name__ == "__main__":
    private.begin()
    sys.exit(serve(open_workspace(sys.argv[1]), processes.handed_over()))
