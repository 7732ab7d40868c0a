"""Become a detached process: fork, let the parent leave, run `python ARGUMENTS` in its place.

    python -m trainer.system.detach -m trainer.run.supervisor runs/20260101-120000-abcd

A fresh interpreter without threads may fork safely; the page that asks for the process may not.
"""

import os
import sys

from trainer.system import private

if __name__ == "__main__":
    private.begin()
    if os.fork():
        os._exit(0)
    os.execv(sys.executable, [sys.executable, "-u", *sys.argv[1:]])
