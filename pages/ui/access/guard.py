"""ASGI middleware that checks Host, Origin and token of every request and WebSocket before Streamlit sees it."""

from __future__ import annotations

from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.access import login, requests
from pages.ui.access.requests import Netloc, Rules

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


async def _respond(answer: login.Answer, send: Send, head_only: bool) -> None:
    headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})


def decide(scope: Scope, rules: Rules) -> login.Answer | None:
    """None when the request is allowed, else the response."""
    headers, secure = scope["headers"], scope["scheme"] in ("https", "wss")
    host = requests.host_of(headers, (scope.get("server") or (None,))[0], rules)
    if host is None:
        return login.WRONG_HOST
    if requests.is_foreign(headers, host, secure):
        return login.WRONG_ORIGIN
    if rules.token is None or scope["path"] == HEALTH:
        return None
    return _check_token(scope, rules.token, host, secure)


def _check_token(scope: Scope, token: str, host: Netloc, secure: bool) -> login.Answer | None:
    name, query = requests.cookie_name(host, secure), scope["query_string"].decode("latin-1")
    offered = requests.offered_token(query) if scope.get("method") in ("GET", "HEAD") else None
    known = requests.has_cookie(scope["headers"], name, token)
    if offered is not None and requests.same(offered, token):
        attributes = f"Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
        return login.moved(_address(scope, query), f"{name}={requests.cookie_value(token)}; {attributes}")
    if known:
        return None if offered is None else login.moved(_address(scope, query))
    return login.ask(scope["headers"], requests.rest_of(query), wrong=offered is not None)


def _address(scope: Scope, query: str) -> str:
    """The same address without the token, always of this server, whatever slashes it starts with."""
    rest = requests.without_token(query)
    return "/" + quote(scope["path"].lstrip("/\\")) + (f"?{rest}" if rest else "")


def _with_headers(send: Send) -> Send:
    """`send`, with HEADERS added to responses that lack them."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message.get("headers", ())}
            added = [(name, value) for name, value in HEADERS if name not in there]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sending
