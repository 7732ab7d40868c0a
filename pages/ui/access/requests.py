"""What a request must show before a page answers: a Host of this server, an Origin of the same, and the token.

Pure functions of the headers. A page of another site that makes a browser call this server (cross-site requests, DNS
rebinding) is caught by Origin and Host, another user of the machine by the token.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

Headers = Sequence[tuple[bytes, bytes]]
"""As ASGI gives them: names in lower case, in any order, the same name as often as it was sent."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PARAMETER = "token"
DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<netloc>[^/?#@]+)", re.IGNORECASE)
_NETLOC = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::(?P<port>\d{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True)
class Netloc:
    """A host and a port as in an address; the port is None where the address names none."""

    host: str
    port: int | None


@dataclass(frozen=True)
class Rules:
    """Who is let in: the token (None: everybody who may connect) and the names that this server is reached by."""

    token: str | None
    names: frozenset[str] = LOOPBACK_NAMES


def values(headers: Headers, name: str) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name.encode()]


def parse_netloc(text: str) -> Netloc | None:
    """`name:port`, `[v6]:port` or either without port; None for anything else, a user or a path among them."""
    parts = _NETLOC.fullmatch(text.strip())
    if parts is None:
        return None
    port = int(parts["port"]) if parts["port"] else None
    return Netloc(normal_host(parts["v6"] or parts["name"]), port) if port is None or port < 1 << 16 else None


def normal_host(host: str) -> str:
    """One spelling of a name or address: lower case, no last dot, IPv4 where it came wrapped in IPv6."""
    name = host.lower().removesuffix(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def host_of(headers: Headers, reached: str | None, rules: Rules) -> Netloc | None:
    """The Host header when there is one and it names this server; else None.

    `reached` is the address of this machine that the connection came to: it is a name of this server too. A browser
    that was lured to us by DNS rebinding sends the name that lured it.
    """
    sent = values(headers, "host")
    host = parse_netloc(sent[0]) if len(sent) == 1 else None
    names = rules.names | ({normal_host(reached)} if reached else set())
    return host if host and host.host in names else None


def is_foreign(headers: Headers, host: Netloc, secure: bool) -> bool:
    """Whether a browser says that a page of another origin asks: another host, another port, or `null`.

    Browsers send an Origin with each WebSocket and each request that changes something; other programs send none. Its
    scheme is compared only where this server speaks TLS itself: before a proxy that does, it is unknown.
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
    """Cookies are shared by all ports of a host, so the name says which port this one is for."""
    return f"wakeword-{host.port or DEFAULT_PORTS['https' if secure else 'http']}"


def cookie_value(token: str) -> str:
    """What the cookie holds: made from the token, which cannot be read out of it."""
    return hmac.new(token.encode(), b"wakeword cookie", "sha256").hexdigest()


def has_cookie(headers: Headers, name: str, token: str) -> bool:
    """Whether one of the cookies of this name is right; another server of this host may have set others."""
    pairs = (pair.strip().partition("=") for line in values(headers, "cookie") for pair in line.split(";"))
    return any(same(value, cookie_value(token)) for key, _, value in pairs if key == name)


def same(text: str, secret: str) -> bool:
    """Compared in a time that does not tell how much of it is right."""
    return hmac.compare_digest(text.encode(), secret.encode())


def offered_token(query: str) -> str | None:
    """The token in the address; None where it has none."""
    return next((unquote_plus(value) for name, value in _pairs(query) if name == PARAMETER), None)


def without_token(query: str) -> str:
    """The rest of the query, as it was sent."""
    kept = (part for part in query.split("&") if unquote_plus(part.partition("=")[0]) != PARAMETER)
    return "&".join(filter(None, kept))


def rest_of(query: str) -> list[tuple[str, str]]:
    """Names and values of the query without the token, decoded."""
    return [(name, unquote_plus(value)) for name, value in _pairs(query) if name != PARAMETER]


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        yield unquote_plus(name), value
