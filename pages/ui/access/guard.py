"""ASGI middleware that checks Host, Origin and token of every request and WebSocket before Streamlit sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.access import requests
from pages.ui.access.requests import PARAMETER, Headers, Netloc, Rules, values

HEALTH = "/_stcore/health"
"""Answered without a token: launchers wait for it, and it only shows that a server runs."""
COOKIE_SECONDS = 30 * 24 * 3600
HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Sent with every response: pages of other origins cannot frame, load or sniff pages of the app, or see its addresses.

The referrer policy is not `no-referrer`, with which browsers may send `Origin: null` to the app itself.
"""


def guard(app: ASGIApp, rules: Rules) -> ASGIApp:
    """`app`, for requests that `rules` allow."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        answer = decide(scope, rules)
        if answer is None:
            await app(scope, receive, send if scope["type"] == "websocket" else _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it was accepted: HTTP 403
        else:
            await _respond(answer, _with_headers(send), scope["method"] == "HEAD")

    return guarded


async def _respond(answer: Answer, send: Send, head_only: bool) -> None:
    headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})


def decide(scope: Scope, rules: Rules) -> Answer | None:
    """None when the request is allowed, else the response."""
    headers, secure = scope["headers"], scope["scheme"] in ("https", "wss")
    host = requests.host_of(headers, (scope.get("server") or (None,))[0], rules)
    if host is None:
        return WRONG_HOST
    if requests.is_foreign(headers, host, secure):
        return WRONG_ORIGIN
    if rules.token is None or scope["path"] == HEALTH:
        return None
    return _check_token(scope, rules.token, host, secure)


def _check_token(scope: Scope, token: str, host: Netloc, secure: bool) -> Answer | None:
    name, query = requests.cookie_name(host, secure), scope["query_string"].decode("latin-1")
    offered = requests.offered_token(query) if scope.get("method") in ("GET", "HEAD") else None
    has_cookie = requests.has_cookie(scope["headers"], name, token)
    if offered is not None and requests.same(offered, token):
        attributes = f"Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
        return moved(_address(scope, query), f"{name}={requests.cookie_value(token)}; {attributes}")
    if has_cookie:
        return None if offered is None else moved(_address(scope, query))
    return ask(scope["headers"], requests.rest_of(query), wrong=offered is not None)


def _address(scope: Scope, query: str) -> str:
    """The same address without the token, always of this server, whatever slashes it starts with."""
    rest = requests.without_token(query)
    return "/" + quote(scope["path"].lstrip("/\\")) + (f"?{rest}" if rest else "")


def _with_headers(send: Send) -> Send:
    """`send`, with HEADERS added to responses that lack them."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", ())}
            added = [(name, value) for name, value in HEADERS if name not in present]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending


_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_NO_STORE = (b"cache-control", b"no-store")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
{refresh}<title>Wakeword Studio: access token</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }}
form {{ display: flex; flex-wrap: wrap; gap: .5rem; margin: 1.5rem 0; }}
input, button {{ font: inherit; padding: .45rem .7rem; }}
input {{ flex: 1 1 14rem; min-width: 0; }}
code {{ overflow-wrap: anywhere; }}
</style></head><body>
<h1>Wakeword Studio needs an access token</h1>
<p>{why}</p>
<form method="get">{hidden}
<input name="{parameter}" type="password" autocomplete="current-password" aria-label="Access token"
 placeholder="Access token" required autofocus>
<button>Open</button></form>
<p>The token is part of the address that the app printed when it started. Unless WAKEWORD_TOKEN was set, you can also
run <code>python -m trainer token</code> in the folder of the app. This browser remembers the token for 30 days.</p>
</body></html>
"""


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def _sentence(text: str) -> Answer:
    return Answer(403, [(b"content-type", b"text/plain; charset=utf-8"), _NO_STORE], text.encode())


WRONG_HOST = _sentence(
    "This server does not accept this host name. Open the address that the app printed when it started. To allow "
    "another name, start the app with WAKEWORD_HOSTS=NAME.\n"
)
WRONG_ORIGIN = _sentence("The request comes from a page of another origin. This server only answers its own pages.\n")
_NO_TOKEN = _sentence("The access token is missing. Open the address that the app printed when it started.\n")


def moved(address: str, cookie: str = "") -> Answer:
    """A redirect to `address`, with a cookie if given."""
    headers = [(b"location", address.encode()), _NO_STORE]
    return Answer(303, [*headers, (b"set-cookie", cookie.encode())] if cookie else headers, b"")


def ask(headers: Headers, rest: Sequence[tuple[str, str]], wrong: bool) -> Answer:
    """A page with a field for the token that keeps the rest of the query; one sentence for clients that take no HTML.

    A browser that follows a link from another site does not send the cookie. The page then reloads itself: that
    request comes from this site and carries the cookie.
    """
    if not any("text/html" in each for each in values(headers, "accept")):
        return _NO_TOKEN
    why = "The token is not valid." if wrong else "It keeps out other users of this machine."
    page = _PAGE.format(
        refresh='<meta http-equiv="refresh" content="0">\n' if _from_elsewhere(headers) else "",
        why=why,
        hidden="".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in rest),
        parameter=PARAMETER,
    )
    kind = [(b"content-type", b"text/html; charset=utf-8"), _NO_STORE]
    return Answer(403, [*kind, (b"content-security-policy", _POLICY)], page.encode())


def _from_elsewhere(headers: Headers) -> bool:
    return values(headers, "sec-fetch-site") == ["cross-site"]
