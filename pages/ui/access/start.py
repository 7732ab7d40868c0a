"""How the app is started behind its guard: who is let in, what is printed, what the browser is given to open."""

from __future__ import annotations

import asyncio
import getpass
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
"""Further names that this server is reached by, with commas between them: of a proxy, for example."""
WILDCARD = "0.0.0.0"  # noqa: S104
"""The address of a server that listens on all IPv4 addresses."""
EVERYWHERE = (None, "", WILDCARD, "::")
LOCAL = "127.0.0.1"
GUARDED = "WAKEWORD_GUARDED_PROCESS"
"""Holds the pid of the server that checks tokens, for the pages that it draws."""


def rules() -> Rules:
    """Who is let in, from the environment and the options of the server; exits with a sentence when that cannot be.

    The token leaves the environment: programs that this server starts need not know it.
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
            f"{access_token.VARIABLE}=off would let everybody on the network start programs as you. "
            "Leave the token on, or listen on 127.0.0.1 alone."
        )
    os.environ[GUARDED] = str(os.getpid())
    config.set_option("server.allowedHosts", [])  # checked by the guard, for every request
    return Rules(token, LOOPBACK_NAMES | named | (frozenset() if is_local() else _own_names()))


def _refuse(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(2)


def is_guarded() -> bool:
    """Whether the server that draws this page checks who asks."""
    return os.environ.get(GUARDED) == str(os.getpid())


def is_local() -> bool:
    """Whether the server listens on this machine alone; without an address it listens on all."""
    address = str(st.get_option("server.address") or "")
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def named_hosts(text: str) -> frozenset[str]:
    """The hosts of a list like `studio.lan, 192.0.2.7:8443`; ports do not count. Raises ValueError for no host."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    found = {name: parse_netloc(name) for name in names}
    if wrong := next((name for name in names if found[name] is None), None):
        raise ValueError(f"{HOSTS} holds {wrong!r}, which is no host name. Write names with commas between them.")
    return frozenset(netloc.host for netloc in found.values() if netloc)


def _own_names() -> frozenset[str]:
    """The names of this machine, and the one that the server is told to listen at; the guard knows addresses itself."""
    name = normal_host(socket.gethostname())
    short = name.partition(".")[0]
    listening = st.get_option("server.address")
    given = frozenset() if listening in EVERYWHERE else frozenset({normal_host(listening)})
    return given | {name, short, f"{short}.local"}


def _network_addresses() -> list[str]:
    """Addresses of this machine for others on its network: all of IPv4, and one of IPv6 where that is listened on."""
    links = [each for link in psutil.net_if_addrs().values() for each in link]
    v4 = [each.address for each in links if each.family == socket.AF_INET]
    v6 = [each.address for each in links if each.family == socket.AF_INET6 and "%" not in each.address]
    own = [each for each in v4 if not ipaddress.ip_address(each).is_loopback]
    own_v6 = [each for each in v6 if not ipaddress.ip_address(each).is_loopback]
    return own if st.get_option("server.address") == WILDCARD else [*own, *own_v6[:1]]


def _hosts() -> list[str]:
    """Where the app can be opened, this machine's own browser first."""
    listening = st.get_option("server.address")
    return [LOCAL, *_network_addresses()] if listening in EVERYWHERE else [str(listening)]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def address(host: str, token: str | None) -> str:
    """Where a browser opens the app, with the token."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    query = "" if token is None else f"?{PARAMETER}={quote(token, safe='')}"
    return f"{scheme}://{_bracketed(host)}:{st.get_option('server.port')}/{query}"


def greeting(token: str | None) -> str:
    """What is printed once the server runs: every address to open, and what others on the network must know."""
    hosts = _hosts()
    lines = ["", "Wakeword Studio is running. Open it in a browser:", ""]
    lines += [f"  {address(host, token)}" for host in hosts]
    if not is_local():
        lines += ["", *_network_notes(hosts, token)]
    if token is None:
        lines += ["", "No token is asked for: every user of this machine can open it, and start programs as you."]
    return "\n".join([*lines, "", "Ctrl-C ends the app; trainings go on.", ""])


def _network_notes(hosts: Sequence[str], token: str | None) -> list[str]:
    """What whoever opens the app from another machine must know; `hosts` are those of the addresses that are told."""
    if st.get_option("server.sslCertFile"):
        return []
    port, reached = st.get_option("server.port"), next((each for each in hosts if each != LOCAL), "this-machine")
    return [
        "Whoever has the token can start programs on this machine, and what goes over the network is not encrypted.",
        "On other machines browsers give no microphone to http addresses. To record there, run on that machine",
        f"  ssh -N -L {port}:{_bracketed(hosts[0])}:{port} {getpass.getuser()}@{reached}",
        f"and open {address(LOCAL, token)} there.",
    ]


def lifespan(token: str | None) -> Callable[[st.App], AbstractAsyncContextManager[dict[str, Any] | None]]:
    """Tell where the app is when its server runs, and open a browser there unless it is headless."""

    @asynccontextmanager
    async def running(app: st.App) -> AsyncIterator[None]:
        sys.stdout.write(greeting(token) + "\n")
        sys.stdout.flush()
        page = None
        with suppress(OSError):  # a disk that takes nothing: the address is printed
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
    """A page that goes to `target`, for this user alone: every user of the machine can read what a browser is called
    with, but not this file."""
    path = open_workspace().jobs / "open-app.html"
    text = f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={escape(target)}">\n'
    durable.replace_bytes(path, text.encode())
    return path
