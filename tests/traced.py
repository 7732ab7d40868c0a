"""What a command and its processes ask of the network, and which files they make: by strace, else by audit hooks."""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import PATIENCE
from trainer.system.workspace import PROJECT_ROOT

AUDIT = PROJECT_ROOT / "tests/audit"
DNS_PORT = 53
CALLS = "connect,sendto,sendmsg,sendmmsg,bind,openat,open,creat,mkdir,mkdirat,mknod,mknodat,rename,renameat,renameat2"
CALLS += ",link,linkat,symlink,symlinkat"
STRACE = ["strace", "-f", "-qq", "--seccomp-bpf", "-y", "-s", "4096", "-e", f"trace={CALLS}", "-o"]
LOCAL_SERVICES = ("/var/run/nscd/socket", "/run/uuidd/request")
"""glibc asks the one for the name of the user, libuuid the other for a random number."""
_INET = re.compile(r'sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]+)"')
_UNIX = re.compile(r'sun_path=(@?"[^"]*")')
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_CALL = re.compile(r"(\w+)\((.*)")
_UNFINISHED, _RESUMED = " <unfinished ...>", re.compile(r"<\.\.\. \w+ resumed>")


@dataclass(frozen=True)
class Asked:
    """Addresses (host, port) that were connected to, sent to or listened on, names that were looked up, sockets of
    other programs, and paths that were made or would have been."""

    addresses: frozenset[tuple[str, int]]
    names: frozenset[str]
    sockets: frozenset[str]
    paths: frozenset[Path]

    def beyond_loopback(self) -> list[str]:
        """What was asked for beyond this machine, and questions to a name server wherever it is."""
        found = [f"{host}:{port}" for host, port in self.addresses if not _is_loopback(host) or port == DNS_PORT]
        found += [f"the address of {name}" for name in self.names if not _is_loopback(name)]
        return sorted([*found, *self.sockets.difference(LOCAL_SERVICES)])

    def outside(self, folders: Iterable[Path]) -> list[str]:
        """What was made outside these folders; Python's bytecode beside the program does not count."""
        known = [folder.resolve() for folder in folders]
        return sorted(
            str(path)
            for path in self.paths
            if path != Path(os.devnull)
            and not any(path.is_relative_to(folder) for folder in known)
            and not ("__pycache__" in path.parts and path.is_relative_to(PROJECT_ROOT))
        )


def _is_loopback(host: str) -> bool:
    if host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


@functools.cache
def has_strace() -> bool:
    """Whether strace is here and may trace."""
    strace = shutil.which("strace")
    return strace is not None and not subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True).returncode


def run(
    command: Sequence[str | Path],
    log: Path,
    environment: dict[str, str],
    given: bytes = b"",
    by_strace: bool | None = None,
) -> tuple[subprocess.CompletedProcess[bytes], Asked]:
    """Run a command to its end, and wait for whatever it left running, in an empty network namespace.

    `environment` is all that it gets, `given` its standard input; `log` is a file for what is seen.
    """
    words = [str(word) for word in (sys.executable, "-m", "tests.alone", *command)]
    traced = has_strace() if by_strace is None else by_strace
    if traced:
        words = [*STRACE, str(log), *words]
    else:
        environment = environment | {"PYTHONPATH": str(AUDIT), "AUDIT_LOG": str(log)}
    done = subprocess.run(words, cwd=PROJECT_ROOT, env=environment, input=given, capture_output=True, timeout=PATIENCE)
    lines = log.read_text(errors="replace").splitlines()
    log.unlink()
    return done, _of_calls(lines) if traced else _of_events(lines)


def _of_events(lines: Sequence[str]) -> Asked:
    events = [json.loads(line) for line in lines]

    def of(kind: str) -> Iterator[object]:
        return (what for found, what in events if found == kind)

    addresses = frozenset((host, port) for host, port in of("address"))
    paths = frozenset(Path(path) for path in of("path"))
    return Asked(addresses, frozenset(of("name")), frozenset(of("unix")), paths)


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(name, arguments and result) of each call; those that another process interrupted are put together."""
    begun: dict[str, str] = {}
    for line in lines:
        process, _, text = line.partition(" ")
        text = begun.pop(process, "") + _RESUMED.sub("", text.strip(), count=1)
        if text.endswith(_UNFINISHED):
            begun[process] = text.removesuffix(_UNFINISHED)
        elif call := _CALL.match(text):
            yield call[1], call[2]
    yield from ((call[1], call[2]) for call in map(_CALL.match, begun.values()) if call)


def _of_calls(lines: Iterable[str]) -> Asked:
    addresses, sockets, paths = set(), set(), set()
    for name, rest in _calls(lines):
        if name in ("connect", "sendto", "sendmsg", "sendmmsg", "bind"):
            addresses |= {(host, int(port)) for port, host in _INET.findall(rest)}
            sockets |= {path.strip('"') for path in _UNIX.findall(rest) if name != "bind"}
        elif "EEXIST" not in rest and (name not in ("open", "openat") or "O_CREAT" in rest):
            folder, path = _PATH.findall(rest)[-1]
            paths.add(Path(os.path.normpath(Path(folder or PROJECT_ROOT) / path)))
    return Asked(frozenset(addresses), frozenset(), frozenset(sockets), frozenset(paths))
