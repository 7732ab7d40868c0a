"""Start `python -m MODULE` as a fork of a process that has imported what it needs: milliseconds instead of seconds.

A start of the trainer imports torch for two to three seconds, a start of the server Streamlit for one. What the module
does from there on is the same: its own process, session, environment, folder, umask and standard streams. Tests of what
a new interpreter does (imports, variables that libraries read when they are loaded) start one.

    python -m tests.fork_server SOCKET MODULE...      # import these modules, then start others on request
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.waiting import PATIENCE
from trainer.system import private, processes
from trainer.system.workspace import PROJECT_ROOT, Workspace

ENGINE = (
    "trainer.engine.training.loop",
    "trainer.engine.training.preview",
    "trainer.engine.export.export",
    "trainer.engine.__main__",
    "trainer.__main__",
    "trainer.run.supervisor",
    "trainer.dataset.scan",
    "trainer.synthesis.recipes",
    "onnxruntime",
    "pyarrow.parquet",
    "pyroomacoustics",
)
"""What a training and a command import."""
PAGES = ("streamlit.__main__", "streamlit.web.bootstrap", "streamlit.elements", "altair", "pandas")
"""What a server of the pages imports."""
ADDRESS = "WAKEWORD_TEST_FORK_SERVER"
"""The variable through which a forked server of the pages knows the fork server of trainings."""
FORKED = ("trainer", "trainer.run.supervisor")
"""Modules that `start_detached` starts by a fork."""
NO_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""Libraries start threads when they are imported; a fork would lose them."""
MOST_BYTES = 1 << 20
detached = processes.start_detached


class Popen(subprocess.Popen):
    """In a process that was forked: starts what imports torch by another fork, and everything else as ever."""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest):
        words = [str(word) for word in args if word != "-u"] if isinstance(args, list) else []
        if words[:2] != [sys.executable, "-m"] or not words[2].startswith("trainer.engine") or preexec_fn:
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)
            return
        pipes, new_session = rest[3:9], rest[14]
        self.pid = os.fork()
        if not self.pid:
            if new_session:
                os.setsid()
            _take(dict(zip((0, 1, 2), (pipes[0], pipes[3], pipes[5]), strict=True)), pass_fds)
            become(words[2], words[3:], dict(os.environ if env is None else env), Path(cwd or "."))
        self._child_created = True
        self._close_pipe_fds(*pipes)


def _take(streams: dict[int, int], others: Collection[int]) -> None:
    """In a child: take these descriptors as standard streams, and close all but them and the others."""
    for number, descriptor in streams.items():
        if descriptor not in (-1, number):
            os.dup2(descriptor, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in others:
            with suppress(OSError):
                os.close(int(name))


def become(module: str, words: list[str], environment: Mapping[str, str], folder: Path) -> None:
    """Run a module to the end of this process, as `python -m MODULE WORDS` does."""
    code = 0
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, write_through=True)
        sys.argv = [module, *words]
        sys.modules.pop(f"{module}.__main__" if hasattr(sys.modules.get(module), "__path__") else module, None)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # the edge of the process
        traceback.print_exc()
        code = 1
    finally:
        with suppress(BaseException):
            threading._shutdown()
            atexit._run_exitfuncs()
            sys.stdout.flush()
        os._exit(code)


class Forked:
    """A process that the fork server has started; as much of `subprocess.Popen` as tests use."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid, self.returncode, self._connection = pid, None, connection

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = _told(self._connection)
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


def _tell(connection: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody may want to know any more
        connection.send(f"{number:12}".encode())


def _told(connection: socket.socket) -> int:
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
) -> Forked:
    """Start a module. `files`: stdin, stdout, stderr, and the locks whose variables are `locks`; `leader` of a
    "session", a process "group", or neither."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    wish = {
        "module": module,
        "words": list(words),
        "environment": dict(environment),
        "folder": str(folder),
        "leader": leader,
        "locks": list(locks),
    }
    data = json.dumps(wish).encode()
    socket.send_fds(connection, [data], list(files))
    connection.shutdown(socket.SHUT_WR)
    return Forked(_told(connection), connection)


def start_detached(arguments: Sequence[str], log: Path, environment: dict[str, str]) -> None:
    """In place of `processes.start_detached`: by a fork where the module is known."""
    if arguments[0] != "-m" or arguments[1] not in FORKED:
        detached(arguments, log, environment)
        return
    locks = [name for name in environment if name == processes.LOCK_VARIABLE]
    with open(log, "ab", opener=private.opener) as output, open(os.devnull) as nothing:
        files = [nothing.fileno(), output.fileno(), output.fileno(), *(int(environment[name]) for name in locks)]
        address = os.environ.get(ADDRESS) or engine().address
        fork(address, arguments[1], arguments[2:], {**os.environ, **environment}, files, locks=locks).leave()


def command(
    *words: object,
    data: bytes = b"",
    folder: Path = PROJECT_ROOT,
    environment: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """`python -m trainer WORDS`, as `subprocess.run` with captured text runs it."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(data)
        given.seek(0)
        files = [given.fileno(), out.fileno(), err.fileno()]
        own = {**(os.environ if environment is None else environment), ADDRESS: engine().address}
        process = fork(engine().address, "trainer", list(map(str, words)), own, files, folder, leader="")
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            raise
        told = []
        for file in (out, err):
            file.seek(0)
            told.append(file.read().decode())
    return subprocess.CompletedProcess(["python", "-m", "trainer", *map(str, words)], code, *told)


def _serve(address: str) -> None:
    """Fork a child for each request, and tell who asked when it has ended; ends when standard input is closed."""
    waiting: dict[int, socket.socket] = {}

    def reap(*_: object) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if asker := waiting.pop(ended[0], None):
                    _tell(asker, os.waitstatus_to_exitcode(ended[1]))
                    asker.close()

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(16)
    signal.signal(signal.SIGCHLD, reap)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:  # nobody writes to it: it was closed
        asker, _ = listener.accept()
        data, files, *_ = socket.recv_fds(asker, MOST_BYTES, 8)
        while part := asker.recv(MOST_BYTES):
            data += part
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        if not (pid := os.fork()):
            _begin(json.loads(data), files, [listener, asker, *waiting.values()])
        waiting[pid] = asker
        _tell(asker, pid)
        for descriptor in files:
            os.close(descriptor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _begin(wish: dict, files: list[int], ours: list[socket.socket]) -> None:
    """In the child: become what was asked for."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
    for each in ours:
        each.close()
    if wish["leader"] == "session":
        os.setsid()
        private.begin()
    elif wish["leader"] == "group":
        os.setpgid(0, 0)
    for number in range(3):
        os.dup2(files[number], number)
        os.close(files[number])
    for name, lock in zip(wish["locks"], files[3:], strict=True):
        os.set_inheritable(lock, True)
        wish["environment"][name] = str(lock)
    subprocess.Popen = Popen
    if ADDRESS in wish["environment"]:
        processes.start_detached = start_detached
    become(wish["module"], wish["words"], wish["environment"], Path(wish["folder"]))


class ForkServer:
    """A process that has imported these modules; it is started when it is first asked for something."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.modules, self.folder, self.process = modules, Path(tempfile.mkdtemp(prefix="fork-")), None
        self.starting = threading.Lock()  # tests start trainings from several threads

    @property
    def address(self) -> str:
        path = self.folder / "socket"
        with self.starting:
            if self.process is None:
                own = processes.environment_of_engine(Workspace(self.folder)) | NO_THREADS
                command = [sys.executable, "-m", "tests.fork_server", str(path), *self.modules]
                self.process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=own, stdin=subprocess.PIPE)
        while not path.exists():
            assert self.process.poll() is None, "the fork server has ended"
            time.sleep(0.02)
        return str(path)

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_pages(words: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> Forked:
    """`python -m streamlit WORDS` in a process group of its own, whose trainings and jobs are forked too."""
    own = {**environment, ADDRESS: engine().address}
    with open(os.devnull) as nothing:
        files = [nothing.fileno(), log.fileno(), log.fileno()]
        return fork(pages().address, "streamlit", words, own, files, leader="group")


@functools.cache
def engine() -> ForkServer:
    """The fork server of trainings and commands of this process."""
    server = ForkServer(ENGINE)
    atexit.register(server.end)
    return server


@functools.cache
def pages() -> ForkServer:
    """The fork server of servers of the pages of this process."""
    server = ForkServer(PAGES)
    atexit.register(server.end)
    return server


if __name__ == "__main__":
    for name in ("tests.unsynced", *sys.argv[2:]):
        importlib.import_module(name)
    gc.freeze()  # a collection in a child would copy the memory of all that was imported
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads is not to be forked"
    _serve(sys.argv[1])
