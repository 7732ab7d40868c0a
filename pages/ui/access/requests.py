"""Checks of a request: its Host names this server, its Origin is this server, and it has the token.

Pure functions of the headers. Host and Origin stop pages of other sites that make a browser call this server
(cross-site requests, DNS rebinding); the token stops other users of the machine.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

Headers = Sequence[tuple[bytes, bytes]]
"""As in ASGI: names in lower case, in any order, repeated names included."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PARAMETER = "token"
DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<netloc>[^/?#@]+)", re.IGNORECASE)
_NETLOC = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>\d{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True)
class Netloc:
    """Host and port of an address; the port is None when the address has none."""

    host: str
    port: int | None


@dataclass(frozen=True)
class Rules:
    """Who is allowed: the token (None: everyone who can connect) and the host names of this server."""

    token: str | None
    names: frozenset[str] = LOOPBACK_NAMES


def values(headers: Headers, name: str) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name.encode()]


def parse_netloc(text: str) -> Netloc | None:
    """Parse `name:port` or `[v6]:port`, the port optional; None for anything else, such as a user or a path."""
    parts = _NETLOC.fullmatch(text.strip())
    if parts is None:
        return None
    port = int(parts["port"]) if parts["port"] else None
    return Netloc(normal_host(parts["v6"] or parts["name"]), port) if port is None or port < 1 << 16 else None


def normal_host(host: str) -> str:
    """Normalise a name or address: lower case, no trailing dot, IPv4 instead of IPv4-mapped IPv6."""
    name = host.lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def host_of(headers: Headers, reached: str | None, rules: Rules) -> Netloc | None:
    """The Host header if there is exactly one and it names this server; else None.

    `reached` is the local address of the connection, which also names this server. After DNS rebinding, a browser
    sends the name of the attacker's site.
    """
    sent = values(headers, "host")
    host = parse_netloc(sent[0]) if len(sent) == 1 else None
    names = rules.names | ({normal_host(reached)} if reached else set())
    return host if host and host.host in names else None


def is_foreign(headers: Headers, host: Netloc, secure: bool) -> bool:
    """Whether the Origin header names a page of another origin: another host, another port, or `null`.

    Browsers send an Origin with each WebSocket and each request that changes something; other programs send none. The
    scheme is compared only if this server itself uses TLS; behind a proxy it is unknown.
    """
    origins = values(headers, "origin")
    if not origins:
        return False
    parts = _ORIGIN.fullmatch(origins[0])
    origin = parse_netloc(parts["netloc"]) if parts else None
    if len(origins) > 1 or parts is None or origin is None:
        return True
    scheme = parts["scheme"].lower()
    default = DEFAULT_PORTS[scheme]
    return (secure and scheme != "https") or (origin.host, origin.port or default) != (host.host, host.port or default)


def cookie_name(host: Netloc, secure: bool) -> str:
    """The name of the cookie holds the port, because all ports of a host share cookies."""
    return f"wakeword-{host.port or DEFAULT_PORTS['https' if secure else 'http']}"


def cookie_value(token: str) -> str:
    """The value of the cookie: a keyed hash from which the token cannot be recovered."""
    return hmac.new(token.encode(), b"wakeword cookie", "sha256").hexdigest()


def has_cookie(headers: Headers, name: str, token: str) -> bool:
    """Whether a cookie of this name has the right value; other servers of this host may set others."""
    pairs = (pair.strip().partition("=") for line in values(headers, "cookie") for pair in line.split(";"))
    return any(same(value, cookie_value(token)) for key, _, value in pairs if key == name)


def same(text: str, secret: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(text.encode(), secret.encode())


def offered_token(query: str) -> str | None:
    """The token in the query; None when there is none."""
    return next((unquote_plus(value) for name, value in _pairs(query) if name == PARAMETER), None)


def without_token(query: str) -> str:
    """The query without the token, otherwise as sent."""
    parts = (part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != PARAMETER)
    return "&".join(filter(None, parts))


def rest_of(query: str) -> list[tuple[str, str]]:
    """Names and values of the query without the token, decoded."""
    return [(name, unquote_plus(value)) for name, value in _pairs(query) if name != PARAMETER]


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        yield unquote_plus(name), value
