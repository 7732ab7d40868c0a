"""Become a detached process: fork, let the parent leave, run `python ARGUMENTS` in its place.

    python -m trainer.system.detach -m trainer.run.supervisor runs/20260101-120000-abcd

A fresh interpreter without threads can fork safely; a page with threads cannot.
"""

import os
import sys

from trainer.system import private

if __name__ == "__main__":
    private.begin()
    if os.fork():
        os._exit(0)
    os.execv(sys.executable, [sys.executable, "-u", *sys.argv[1:]])
