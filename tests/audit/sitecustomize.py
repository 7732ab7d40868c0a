"""Writes down what Python is asked to reach and to make; on PYTHONPATH every Python process of a tree loads it.

One JSON list a line: the kind (`address`, `name`, `unix`, `path`) and what it is. What C libraries do it cannot see.
"""

import json
import os
import sys

_LOG = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _note(kind: str, what: object) -> None:
    os.write(_LOG, json.dumps([kind, what]).encode() + b"\n")


def _path(path: object) -> None:
    if isinstance(path, (str, bytes, os.PathLike)):
        _note("path", os.path.abspath(os.fsdecode(path)))


def _audit(event: str, arguments: tuple) -> None:
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple):
            _note("address", [str(address[0]), address[1]])
        elif address:
            _note("unix", os.fsdecode(address))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _note("name", os.fsdecode(arguments[0] or ""))
    elif (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT) or event == "os.mkdir":
        _path(arguments[0])
    elif event in ("os.rename", "os.link", "os.symlink"):
        _path(arguments[1])


sys.addaudithook(_audit)
