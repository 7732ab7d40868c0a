"""Posts one JSON document to an address, as a process of its own: what a server or a name service holds up is killed.

    python -m trainer.run.webhook

Reads {"url", "tries", "document"} from standard input (a list of processes shows arguments, and the address may be a
secret), prints one sentence. Exit 0: delivered; 1: not.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from trainer.run import announcement

TIMEOUT_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 1.0
"""Before the second try; twice as long before each further one."""


def _opener() -> urllib.request.OpenerDirector:
    """Opens http and https alone, and follows no redirect: it would drop the document or carry it elsewhere."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", "wakeword-studio")]
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(), urllib.request.HTTPDefaultErrorHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _problem(url: str, body: bytes) -> tuple[str, bool]:
    """Post once: what went wrong, nothing if it arrived, and whether another try makes sense."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (checked by post)
    try:
        with _opener().open(request, timeout=TIMEOUT_SECONDS):
            return "", False
    except urllib.error.HTTPError as error:
        error.close()
        where = f" and points to {error.headers['Location']}" if 300 <= error.code < 400 else ""
        return f"it answered {error.code}{where}", error.code >= 500 or error.code == 429
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)  # urllib wraps what the operating system said
        return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__, True


def post(url: str, document: dict[str, Any], tries: int) -> str:
    """Post the document; returns why it did not arrive, nothing if it did. Raises ValueError for a bad address."""
    announcement.checked_webhook(url)
    body = json.dumps(document, ensure_ascii=False).encode()
    pause = FIRST_PAUSE_SECONDS
    for left in range(tries - 1, -1, -1):
        problem, again = _problem(url, body)
        if not problem or not again or not left:
            break
        time.sleep(pause)
        pause *= 2
    return problem


def main() -> int:
    asked = json.load(sys.stdin)
    host = urlsplit(asked["url"]).hostname
    problem = post(asked["url"], asked["document"], asked["tries"])
    print(f"The webhook at {host} was not told: {problem}." if problem else f"Told the webhook at {host}.")  # noqa: T201
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
