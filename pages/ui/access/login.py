"""Responses to requests that are not allowed: a page that asks for the token, a redirect, or one plain sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pages.ui.access.requests import PARAMETER, Headers, values

_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_UNKEPT = (b"cache-control", b"no-store")
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
    return Answer(403, [(b"content-type", b"text/plain; charset=utf-8"), _UNKEPT], text.encode())


WRONG_HOST = _sentence(
    "This server does not accept this host name. Open the address that the app printed when it started. To allow "
    "another name, start the app with WAKEWORD_HOSTS=NAME.\n"
)
WRONG_ORIGIN = _sentence("The request comes from a page of another origin. This server only answers its own pages.\n")
_NO_TOKEN = _sentence("The access token is missing. Open the address that the app printed when it started.\n")


def moved(address: str, cookie: str = "") -> Answer:
    """A redirect to `address`, with a cookie if given."""
    headers = [(b"location", address.encode()), _UNKEPT]
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
    kind = [(b"content-type", b"text/html; charset=utf-8"), _UNKEPT]
    return Answer(403, [*kind, (b"content-security-policy", _POLICY)], page.encode())


def _from_elsewhere(headers: Headers) -> bool:
    return values(headers, "sec-fetch-site") == ["cross-site"]
