"""Turn a process that was forked into `python -m MODULE`."""

from __future__ import annotations

import atexit
import os
import re
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path


def current_umask() -> int:
    """The umask of this process, which `os.umask` would change for a moment."""
    return int(re.search(r"^Umask:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1], 8)


def take(streams: dict[int, int], others: Collection[int]) -> None:
    """In a child: take these descriptors as standard streams, and close all but them and the others."""
    for number, descriptor in streams.items():
        if descriptor not in (-1, number):
            os.dup2(descriptor, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in others:
            with suppress(OSError):
                os.close(int(name))


def _open_streams() -> None:
    """Standard streams of what the descriptors are now: those of the server may have been files, and these pipes."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        new = open(number, "w" if number else "r", 1, old.encoding, old.errors, closefd=False)  # noqa: SIM115
        if number:
            new.reconfigure(write_through=True)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


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
        _open_streams()
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
