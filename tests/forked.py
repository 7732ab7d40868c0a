"""The client of a fork server (see fork_server): asks for a process, waits for it; imports next to nothing."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from trainer.system.workspace import PROJECT_ROOT


class Forked:
    """A process that the fork server has started; as much of `subprocess.Popen` as tests use."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid, self.returncode, self._connection = pid, None, connection

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = told(self._connection)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout) from None
            self.leave()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def leave(self) -> None:
        """Wait for it no more."""
        self._connection.close()


def tell(connection: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody may want to know any more
        connection.send(f"{number:12}".encode())


def told(connection: socket.socket) -> int:
    return int(connection.recv(12, socket.MSG_WAITALL))


def fork(
    address: str,
    module: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    files: Sequence[int],
    folder: Path = PROJECT_ROOT,
    leader: str = "session",
    locks: Sequence[str] = (),
    umask: int | None = None,
) -> Forked:
    """Start a module. `files`: stdin, stdout, stderr, and the locks whose variables are `locks`; `leader` of a
    "session", a process "group", or neither. Without an `umask` it is that of the server."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    wish = {
        "module": module,
        "words": list(words),
        "environment": dict(environment),
        "folder": str(folder),
        "leader": leader,
        "locks": list(locks),
        "umask": umask,
    }
    data = json.dumps(wish).encode()
    socket.send_fds(connection, [data], list(files))
    connection.shutdown(socket.SHUT_WR)
    return Forked(told(connection), connection)
