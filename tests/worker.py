"""A worker of pytest-xdist as a fork of a process that has imported what tests import, instead of a new interpreter.

python -m tests.worker ADDRESS -u -c CODE     # what pytest-xdist starts: asks for the fork and waits for its end
python -m tests.worker begin CODE             # the fork
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

from tests.forked import fork


def _ask(address: str, code: str) -> int:
    """Start the worker, which alone holds the pipes from then on; returns its exit code."""
    process = fork(address, "tests.worker", ["begin", code], os.environ, [0, 1, 2], Path.cwd(), leader="")
    os.close(0)
    os.close(1)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _begin(code: str) -> None:
    """Run the code as the main module of an interpreter that was started for it."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = ["-c"]
    exec(code, main.__dict__)


if __name__ == "__main__":
    if sys.argv[1] == "begin":
        _begin(sys.argv[2])
    else:
        sys.exit(_ask(sys.argv[1], sys.argv[-1]))
