"""Start of the app behind its guard: access rules, the printed addresses, and the page that the browser opens."""

from __future__ import annotations

import asyncio
import getpass
import importlib
import ipaddress
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import streamlit as st
from streamlit import cli_util, config

from pages.ui.access.requests import LOOPBACK_NAMES, PARAMETER, Rules, normal_host, parse_netloc
from trainer.system import access_token, durable, private
from trainer.system.workspace import open_workspace

HOSTS = "WAKEWORD_HOSTS"
"""Variable with further host names of this server, such as that of a proxy, separated by commas."""
WILDCARD = "0.0.0.0"  # noqa: S104
"""The address of a server that listens on all IPv4 addresses."""
EVERYWHERE = (None, "", WILDCARD, "::")
LOCAL = "127.0.0.1"
USED_BY_PAGES = (
    "altair",
    "pandas",
    "pyarrow.parquet",
    "trainer.catalog.index",
    "trainer.creation.stages",
    "trainer.evaluation.budget",
)
"""The modules that take longest to import of all that pages use."""
GUARDED = "WAKEWORD_GUARDED_PROCESS"
"""Variable with the pid of the server that checks tokens, for its pages."""


def rules() -> Rules:
    """Access rules from the environment and the options of the server; exits with a sentence if they are invalid.

    The token is removed from the environment, so that child processes do not inherit it.
    """
    private.begin()
    try:
        token: str | None = access_token.from_environment() or access_token.of(open_workspace())
        named = named_hosts(os.environ.get(HOSTS, ""))
    except (ValueError, FileNotFoundError) as error:
        _refuse(str(error))
    os.environ.pop(access_token.VARIABLE, None)
    token = None if token == access_token.OFF else token
    if token is None and not is_local():
        _refuse(
            f"{access_token.VARIABLE}=off would let everyone on the network run programs as you. "
            "Keep the token, or listen on 127.0.0.1 only."
        )
    os.environ[GUARDED] = str(os.getpid())
    config.set_option("server.allowedHosts", [])  # checked by the guard, for every request
    return Rules(token, LOOPBACK_NAMES | named | (frozenset() if is_local() else _own_names()))


def _refuse(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(2)


def is_guarded() -> bool:
    """Whether the server that draws this page checks the token."""
    return os.environ.get(GUARDED) == str(os.getpid())


def is_local() -> bool:
    """Whether the server only listens on this machine; without an address it listens everywhere."""
    address = str(st.get_option("server.address") or "")
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def named_hosts(text: str) -> frozenset[str]:
    """The hosts of a list such as `studio.lan, 192.0.2.7:8443`, without ports. Raises ValueError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    parsed = {name: parse_netloc(name) for name in names}
    if wrong := next((name for name in names if parsed[name] is None), None):
        raise ValueError(f"{HOSTS} contains {wrong!r}, which is not a host name. Separate names with commas.")
    return frozenset(netloc.host for netloc in parsed.values() if netloc)


def _own_names() -> frozenset[str]:
    """The names of this machine and the listening address; the guard adds the address of each connection."""
    name = normal_host(socket.gethostname())
    short = name.partition(".")[0]
    listening = st.get_option("server.address")
    given = frozenset() if listening in EVERYWHERE else frozenset({normal_host(listening)})
    return given | {name, short, f"{short}.local"}


def _network_addresses() -> list[str]:
    """Addresses of this machine on its networks: all IPv4, and one IPv6 if the server listens on it."""
    links = [each for link in psutil.net_if_addrs().values() for each in link]
    v4 = [each.address for each in links if each.family == socket.AF_INET]
    v6 = [each.address for each in links if each.family == socket.AF_INET6 and "%" not in each.address]
    own = [each for each in v4 if not ipaddress.ip_address(each).is_loopback]
    own_v6 = [each for each in v6 if not ipaddress.ip_address(each).is_loopback]
    return own if st.get_option("server.address") == WILDCARD else [*own, *own_v6[:1]]


def _hosts() -> list[str]:
    """Hosts of the addresses that open the app, the local one first."""
    listening = st.get_option("server.address")
    return [LOCAL, *_network_addresses()] if listening in EVERYWHERE else [str(listening)]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def address(host: str, token: str | None) -> str:
    """The address that opens the app, with the token."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    query = "" if token is None else f"?{PARAMETER}={quote(token, safe='')}"
    return f"{scheme}://{_bracketed(host)}:{st.get_option('server.port')}/{query}"


def greeting(token: str | None) -> str:
    """The text printed once the server runs: its addresses, and notes for other machines."""
    hosts = _hosts()
    lines = ["", "Wakeword Studio is running. Open it in a browser:", ""]
    lines += [f"  {address(host, token)}" for host in hosts]
    if not is_local():
        lines += ["", *_network_notes(hosts, token)]
    if token is None:
        lines += ["", "No token is required: every user of this machine can open the app and run programs as you."]
    return "\n".join([*lines, "", "Press Ctrl-C to stop the app. Trainings continue.", ""])


def _network_notes(hosts: Sequence[str], token: str | None) -> list[str]:
    """Notes for opening the app from another machine; `hosts` are those of the printed addresses."""
    if st.get_option("server.sslCertFile"):
        return []
    port, reached = st.get_option("server.port"), next((each for each in hosts if each != LOCAL), "this-machine")
    return [
        "Anyone with the token can run programs on this machine, and the connection is not encrypted.",
        "Browsers on other machines block the microphone on http addresses. To record there, run on that machine",
        f"  ssh -N -L {port}:{_bracketed(hosts[0])}:{port} {getpass.getuser()}@{reached}",
        f"and open {address(LOCAL, token)} there.",
    ]


def lifespan(token: str | None) -> Callable[[st.App], AbstractAsyncContextManager[dict[str, Any] | None]]:
    """Print the addresses when the server runs, and open a browser unless it is headless. What pages import is imported
    before: the first page would take seconds longer."""

    @asynccontextmanager
    async def running(app: st.App) -> AsyncIterator[None]:
        for name in USED_BY_PAGES:
            importlib.import_module(name)
        sys.stdout.write(greeting(token) + "\n")
        sys.stdout.flush()
        page = None
        with suppress(OSError):  # on a full disk the printed address must do
            if not st.get_option("server.headless"):
                page = _write_opener(address(_hosts()[0], token))
        if page:
            asyncio.get_running_loop().call_soon(cli_util.open_browser, page.as_uri())
        try:
            yield
        finally:
            if page:
                page.unlink(missing_ok=True)

    return running


def _write_opener(target: str) -> Path:
    """Write a page that redirects to `target`, readable by this user only: a browser's arguments are visible to all."""
    path = open_workspace().jobs / "open-app.html"
    text = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(target)}">\n'
    durable.replace_bytes(path, text.encode())
    return path
