"""A wake word server for Home Assistant: where it listens, its clients, and its announcement on the network."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from wyoming.error import Error

from trainer.detector import wyoming_client
from trainer.detector.detector import Detector
from trainer.detector.wake_session import Hit
from trainer.detector.wyoming_client import BoundedReader, Client
from trainer.system import limits

MOST_CLIENTS = 200
"""Bounds memory: of more, the one that was silent for longest is disconnected."""
FAREWELL_SECONDS = 2.0
"""Time for a client to read why it is disconnected."""

Announce = Callable[[str, Hit | str], object]
"""Called with the address of a client and what was heard, or why the client is disconnected."""


@dataclass(frozen=True)
class Address:
    """Where the server listens: a host and a port, or the path of a Unix socket."""

    uri: str
    host: str = ""
    port: int = 0
    path: Path | None = None

    @property
    def shown_host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine reach it."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.path is not None or self.host == "localhost"


def address(uri: str) -> Address:
    """The address in a URI. Raises ValueError."""
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(uri)
        if parts.scheme == "tcp" and parts.hostname and parts.port is not None and not parts.path.strip("/"):
            return Address(uri, parts.hostname, parts.port)
        if parts.scheme == "unix" and parts.path and not parts.netloc and hasattr(socket, "AF_UNIX"):
            return Address(uri, path=Path(parts.path))
    raise ValueError(f"{uri!r:.200} is no address to listen on. Write tcp://HOST:PORT or unix:///PATH.")


def check_discovery(where: Address) -> None:
    """Raises ValueError where the server cannot be announced to other machines."""
    if where.is_local:
        raise ValueError(
            f"Only this machine can reach {where.uri}, so there is nothing to announce. Add --uri tcp://0.0.0.0:10400 "
            "or leave out --zeroconf."
        )
    if find_spec("zeroconf") is None:
        raise ValueError("--zeroconf needs the package zeroconf. Install it: .venv/bin/python -m pip install zeroconf")


@dataclass
class _Server:
    models: Mapping[str, Detector]
    announce: Announce
    clients: dict[StreamWriter, None] = field(default_factory=dict)
    """Connections, those that were heard last at the end."""

    async def connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Serve a client until it leaves."""
        if len(self.clients) >= MOST_CLIENTS:
            oldest = next(iter(self.clients))
            del self.clients[oldest]
            oldest.transport.abort()
        peer = ":".join(map(str, (writer.get_extra_info("peername") or ())[:2]))
        client = Client(self.models, partial(self.announce, peer), writer)
        self.clients[writer] = None
        try:
            async for event in wyoming_client.events(reader):
                self.clients.pop(writer, None)
                self.clients[writer] = None
                await client.answer(event)
        except ValueError as refusal:
            self.announce(peer, str(refusal))
            await _dismiss(client, reader, str(refusal))
        except (OSError, EOFError):  # it left, or reads nothing
            writer.transport.abort()
        except asyncio.CancelledError:  # the server ends; Python 3.11 would print it
            pass
        finally:
            self.clients.pop(writer, None)
            writer.close()


async def _dismiss(client: Client, reader: StreamReader, reason: str) -> None:
    """Tell a client why it is disconnected. What it still sends is read, else it would lose the reason."""
    with suppress(OSError):
        async with asyncio.timeout(FAREWELL_SECONDS):
            await client.send(Error(reason).event())
            client.writer.write_eof()
            while await reader.read(1 << 16):
                pass


async def serve(
    models: Mapping[str, Detector], where: Address, announce: Announce, ready: Callable[[str], object], discovery: bool
) -> None:
    """Serve clients until cancelled; `ready` is called with the URI that they reach. With `discovery` Home Assistant
    finds the server by itself. Raises ValueError when the server cannot listen on the address."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(limits.cores(), "detect"))
    server = await _listen(where, _Server(models, announce))
    try:
        host, port = server.sockets[0].getsockname()[:2] if where.path is None else ("", 0)
        if discovery:
            await _announce_server(host, port)
        ready(where.uri if where.path else f"tcp://{where.shown_host}:{port}")
        await asyncio.Event().wait()
    finally:  # not serve_forever: Python 3.12 would wait for the clients to leave
        server.close()
        if where.path:
            where.path.unlink(missing_ok=True)


async def _listen(where: Address, server: _Server) -> asyncio.Server:
    """Raises ValueError."""

    def connection() -> StreamReaderProtocol:
        return StreamReaderProtocol(BoundedReader(), server.connected)

    loop = asyncio.get_running_loop()
    try:
        if where.path is None:
            return await loop.create_server(connection, where.host, where.port, backlog=MOST_CLIENTS)
        if _answers(where.path):
            raise OSError(errno.EADDRINUSE, "")
        return await loop.create_unix_server(connection, where.path)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ValueError(
                f"{where.uri} is in use. End the program that listens there, or choose another --uri."
            ) from None
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise ValueError(f"The server cannot listen on {where.uri} ({reason}). Choose another --uri.") from None


def _answers(path: Path) -> bool:
    """Whether a program listens on this Unix socket. One that ended leaves the file behind, which asyncio replaces."""
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.connect(str(path))
        return True
    return False


async def _announce_server(host: str, port: int) -> None:
    """Announce the server by multicast DNS, as long as this process runs. Raises ValueError."""
    from wyoming.zeroconf import HomeAssistantZeroconf
    from zeroconf import Error as ZeroconfError

    name = f"wakeword-studio-{socket.gethostname().partition('.')[0]}-{port}"
    try:
        any_host = ipaddress.ip_address(host).is_unspecified
        await HomeAssistantZeroconf(port, name, None if any_host else host).register_server()
    except (OSError, ZeroconfError) as error:
        raise ValueError(f"The server cannot be announced ({error}). Leave out --zeroconf.") from None
