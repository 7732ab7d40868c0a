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
import logging
import os
import pkgutil
import re
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

from tests.forked import Forked, fork, tell
from tests.waiting import PATIENCE, ticks
from trainer.system import private, processes
from trainer.system.workspace import PROJECT_ROOT, Workspace

ENGINE = (
    "trainer.engine.training.loop",
    "trainer.engine.training.preview",
    "trainer.engine.export.export",
    "trainer.engine.__main__",
    "trainer.engine.training.probe",
    "trainer.run.supervisor",
    "onnxruntime",
    "pyarrow.parquet",
)
"""What a training imports, and what exports, probes and previews do."""
PAGES = (
    "streamlit.__main__",
    "streamlit.web.bootstrap",
    "streamlit.elements",
    "altair",
    "pages.ui",
    "trainer.__main__",
    "trainer.dataset.inspector",
    "trainer.detector.model_trial",
    "trainer.synthesis.recipes",
    "pyarrow.parquet",
)
"""What servers of the pages, commands and other processes without torch import: their forks are smaller."""
WORKERS = ("streamlit.elements", "altair", "pandas", "onnx", "playwright.sync_api")
"""What a worker of pytest-xdist imports beside a training."""
FOLDER = "WAKEWORD_TEST_FORK_SERVERS"
"""The variable with the folder of the fork servers, which workers of pytest-xdist and forked processes share."""
OWNER = "WAKEWORD_TEST_FORK_SERVERS_OWNER"
"""The variable with the process that starts them."""
FORKED = ("trainer", "trainer.run.supervisor")
"""Modules that `start_detached` starts by a fork."""
PIPED = (
    "trainer.dataset.inspector",
    "trainer.dataset.tar_process",
    "trainer.detector.model_trial",
    "trainer.engine.export.export",
    "trainer.engine.training.preview",
    "trainer.engine.training.probe",
    "trainer.synthesis.espeak_process",
    "trainer.synthesis.piper_process",
)
"""Modules that `subprocess.Popen` starts by a fork."""
NO_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""Libraries start threads when they are imported; a fork would lose them."""
MOST_BYTES = 1 << 20
detached = processes.start_detached


class Popen(subprocess.Popen):
    """In a process that was forked: starts what is known by a fork, and everything else as ever."""

    _forked: Forked | None = None

    def server(self, module: str) -> str:
        """The address of the server that forks this module, or nothing where there is none."""
        path = Path(os.environ.get(FOLDER, ""), _server_of(module))
        return str(path) if path.is_socket() else ""

    def _execute_child(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest):
        words = [str(word) for word in args if word != "-u"] if isinstance(args, list) else []
        module = words[2] if words[:2] == [sys.executable, "-m"] and preexec_fn is None else ""
        environment, folder, new_session = dict(os.environ if env is None else env), Path(cwd or "."), rest[14]
        pipes = rest[3:9]
        streams = [own if pipe == -1 else pipe for own, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        if module in PIPED and not pass_fds and (server := self.server(module)):
            umask = int(re.search(r"^Umask:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1], 8)
            self._forked = fork(server, module, words[3:], environment, streams, folder.resolve(), "", umask=umask)
            self.pid = self._forked.pid
        elif not self.fork_here(module, words[3:], environment, folder, streams, pass_fds, new_session):
            super()._execute_child(args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)
            return
        self._child_created = True
        self._close_pipe_fds(*pipes)

    def fork_here(self, module, words, environment, folder, streams, pass_fds, new_session) -> bool:
        """Fork this process, if it is to become a trainer and has no threads that a fork would lose."""
        if not module.startswith("trainer.engine"):
            return False
        self.pid = os.fork()
        if not self.pid:
            if new_session:
                os.setsid()
            _take(dict(enumerate(streams)), pass_fds)
            become(module, words, environment, folder)
        return True

    def _internal_poll(self, *rest, **more):
        if self._forked is None:
            return super()._internal_poll(*rest, **more)
        self.returncode = self._forked.poll()
        return self.returncode

    def _wait(self, timeout):
        if self._forked is None:
            return super()._wait(timeout)
        self.returncode = self._forked.wait(timeout)
        return self.returncode


class PopenOfTests(Popen):
    """In the process of the tests: what is known is forked by the fork server."""

    def server(self, module: str) -> str:
        return address_of(module)

    def fork_here(self, *_: object) -> bool:
        return False


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


def start_detached(arguments: Sequence[str], log: Path, environment: dict[str, str]) -> None:
    """In place of `processes.start_detached`: by a fork where the module is known."""
    if arguments[0] != "-m" or arguments[1] not in FORKED:
        detached(arguments, log, environment)
        return
    locks = [name for name in environment if name == processes.LOCK_VARIABLE]
    with open(log, "ab", opener=private.opener) as output, open(os.devnull) as nothing:
        files = [nothing.fileno(), output.fileno(), output.fileno(), *(int(environment[name]) for name in locks)]
        own = {**os.environ, **environment}
        fork(address_of(arguments[1]), arguments[1], arguments[2:], own, files, locks=locks).leave()


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
        own = {**(os.environ if environment is None else environment), FOLDER: str(_folder())}
        process = fork(address_of("trainer"), "trainer", list(map(str, words)), own, files, folder, leader="")
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
                    tell(asker, os.waitstatus_to_exitcode(ended[1]))
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
        tell(asker, pid)
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
    if wish["umask"] is not None:
        os.umask(wish["umask"])
    for name, lock in zip(wish["locks"], files[3:], strict=True):
        os.set_inheritable(lock, True)
        wish["environment"][name] = str(lock)
    if not wish["module"].startswith("tests."):  # a worker decides for each test
        subprocess.Popen = Popen
        processes.start_detached = start_detached if FOLDER in wish["environment"] else detached
    become(wish["module"], wish["words"], wish["environment"], Path(wish["folder"]))


class ForkServer:
    """A process that has imported these modules; it is started when it is first asked for something.

    A worker of pytest-xdist and a process that was forked ask those that are there.
    """

    def __init__(self, name: str, modules: Sequence[str]) -> None:
        self.path, self.modules, self.process = _folder() / name, modules, None
        self.starting = threading.Lock()  # tests start trainings from several threads

    def start(self) -> None:
        """Start it without waiting for its imports."""
        own = processes.environment_of_engine(Workspace(self.path.parent)) | NO_THREADS
        command = [sys.executable, "-m", "tests.fork_server", str(self.path), *self.modules]
        self.process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=own, stdin=subprocess.PIPE)
        atexit.register(self.end)

    @property
    def address(self) -> str:
        with self.starting:
            if self.process is None and _is_ours():
                self.start()
        return self.wait()

    def wait(self) -> str:
        """Wait until it listens; returns its address."""
        for _ in ticks(PATIENCE):
            if self.path.exists():
                return str(self.path)
            assert self.process is None or self.process.poll() is None, "the fork server has ended"
        raise AssertionError(f"no fork server at {self.path}")

    def end(self) -> None:
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


@functools.cache
def _folder() -> Path:
    """The folder with the sockets of the fork servers; the process that makes it starts and ends them."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="fork-")
        os.environ[OWNER] = str(os.getpid())
        atexit.register(shutil.rmtree, os.environ[FOLDER], ignore_errors=True)
    return Path(os.environ[FOLDER])


def _is_ours() -> bool:
    return os.environ[OWNER] == str(os.getpid())


@functools.cache
def engine() -> ForkServer:
    """The fork server of trainings."""
    return ForkServer("engine", ENGINE)


@functools.cache
def pages() -> ForkServer:
    """The fork server of processes without torch."""
    return ForkServer("pages", PAGES)


def _server_of(module: str) -> str:
    return "engine" if module.startswith("trainer.engine") or module == "trainer.run.supervisor" else "pages"


def address_of(module: str) -> str:
    """The address of the server that forks this module, which is started if it is ours."""
    return (engine() if _server_of(module) == "engine" else pages()).address


def start_pages(words: Sequence[str], log: IO[bytes], environment: Mapping[str, str]) -> Forked:
    """`python -m streamlit WORDS` in a process group of its own, whose trainings and jobs are forked too."""
    own = {**environment, FOLDER: str(_folder())}
    with open(os.devnull) as nothing:
        files = [nothing.fileno(), log.fileno(), log.fileno()]
        return fork(pages().address, "streamlit", words, own, files, leader="group")


def share() -> str:
    """Start the fork servers that the workers of pytest-xdist share; returns the address of one that forks workers.

    That one is a fork of the server of trainings, and all of them end with this process.
    """
    engine().start()
    pages().start()
    workers = ForkServer("workers", WORKERS)
    kept_open, ours = os.pipe()
    os.set_inheritable(ours, False)
    words = [str(workers.path), *workers.modules]
    fork(engine().address, "tests.fork_server", words, os.environ, [kept_open, 1, 2]).leave()
    os.close(kept_open)
    return workers.wait()


def _load(names: Sequence[str]) -> None:
    """Import these modules, and all of `pages.ui` where it is one of them."""
    logging.disable()  # Streamlit tells that no server runs
    for name in names:
        module = importlib.import_module(name)
        for part in pkgutil.walk_packages(module.__path__, f"{name}.") if name == "pages.ui" else ():
            importlib.import_module(part.name)
    logging.disable(logging.NOTSET)


if __name__ == "__main__":
    _load(("tests.unsynced", *sys.argv[2:]))
    gc.freeze()  # a collection in a child would copy the memory of all that was imported
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads is not to be forked"
    _serve(sys.argv[1])
