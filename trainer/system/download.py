"""Downloads of large files: continued where they stopped, and verified by their SHA-256."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from pydantic import BaseModel
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from trainer.system import durable, processes, regular_file
from trainer.system.job import Report

CHUNK_BYTES = 1 << 20
MOST_PAGE_BYTES = 16 << 20
TIMEOUT_SECONDS = (15, 60)
"""The longest wait for a connection, and for the next bytes of an answer."""
SPARE_BYTES = 500_000_000
"""Disk space that stays free."""
AGAIN = "Run it again to continue where it stopped."
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_BROKEN = (requests.RequestException, HTTPError)


class DownloadError(OSError):
    """A download that did not succeed; its message is one sentence with the next step."""


class _Partial(BaseModel):
    """What is known about an incomplete file; `version` is the ETag or date by which its server recognises it."""

    url: str
    sha256: str
    version: str = ""
    size: int = 0


def part_of(target: Path) -> Path:
    """Where the incomplete file lies."""
    return target.with_name(f"{target.name}.part")


def _notes_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def discard(target: Path) -> None:
    """Remove an incomplete download."""
    part_of(target).unlink(missing_ok=True)
    _notes_of(target).unlink(missing_ok=True)


def check_space(folder: Path, need_bytes: int, what: str) -> None:
    """Raises DownloadError when the disk of `folder` has no room for so many bytes more."""
    free = shutil.disk_usage(folder).free
    if need_bytes + SPARE_BYTES > free:
        raise DownloadError(
            f"{what} needs {(need_bytes + SPARE_BYTES) / 1e9:.2f} GB of free disk space and {free / 1e9:.2f} GB are "
            f"free in {folder}. Free some space. {AGAIN}"
        )


@contextmanager
def only_one(lock_file: Path, title: str) -> Iterator[None]:
    """Raises ValueError while another process installs the same."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    lock = processes.try_lock(lock_file)
    if lock is None:
        raise ValueError(f"{title} is being installed by another process. Wait until it ends.")
    try:
        yield
    finally:
        os.close(lock)


def check_digest(path: Path, sha256: str, report: Report) -> None:
    """Raises DownloadError unless the file has this SHA-256."""
    report(0, 0, f"Verifying {path.name.removesuffix('.part')}")
    with regular_file.open_binary(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise DownloadError(
            f"{path.name.removesuffix('.part')} is not the published file: its SHA-256 is {digest:.12}… instead of "
            f"{sha256:.12}…."
        )


@contextmanager
def _get(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """The answer of a server. Proxies and certificates are those of the environment. Raises one of _BROKEN."""
    try:
        proxies = dict(get_environ_proxies(url))
    except ValueError:
        raise requests.exceptions.InvalidURL(url) from None
    with requests.Session() as session:
        session.trust_env = False  # it would also send the passwords of ~/.netrc
        session.proxies = proxies
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            yield answer


def read_page(url: str, what: str) -> tuple[bytes, str]:
    """A short document and the address of the one that follows it, empty after the last. Raises DownloadError."""
    try:
        with _get(url, {}) as answer:
            if answer.status_code != 200:
                raise DownloadError(_refusal(answer, what))
            data = answer.raw.read(MOST_PAGE_BYTES, decode_content=True)
            return data, answer.links.get("next", {}).get("url", "")
    except _BROKEN as error:
        raise DownloadError(f"{host(url)} does not deliver {what}: {_reason(error)}. {AGAIN}") from None


def fetch(url: str, target: Path, sha256: str, further_bytes: int, report: Report) -> None:
    """Download `url` to `target` if its content has this SHA-256; `further_bytes` must stay free for what follows.

    An interrupted download stays beside `target` and is continued by the next call, also from another server. Raises
    DownloadError.
    """
    partial = durable.read_document(_Partial, _notes_of(target))
    if partial is None or partial.sha256 != sha256:
        discard(target)
        partial = _Partial(url=url, sha256=sha256)
    furthest = _size(part_of(target))
    while not partial.size or _size(part_of(target)) < partial.size:
        try:
            partial = _receive(url, target, partial, further_bytes, report)
        except _BROKEN as error:
            have = _size(part_of(target))
            if have <= furthest:  # nothing new since an earlier connection
                raise DownloadError(f"{host(url)} does not deliver {target.name}: {_reason(error)}. {AGAIN}") from None
            furthest, partial = have, durable.read_document(_Partial, _notes_of(target)) or partial
    try:
        check_digest(part_of(target), sha256, report)
    except DownloadError as error:
        discard(target)
        raise DownloadError(f"{error} The download was removed. Run it again, or use another mirror.") from None
    durable.replace(part_of(target), target)
    discard(target)


def _receive(url: str, target: Path, partial: _Partial, further_bytes: int, report: Report) -> _Partial:
    """Append what one connection delivers to the incomplete file. Raises DownloadError, one of _BROKEN."""
    have = _size(part_of(target))
    with _get(url, _headers(url, partial, have)) as answer:
        start, size = _extent(answer, target.name, have)
        if start == 0:  # at first, and when the server ignores ranges or its file has changed
            discard(target)
        elif start != have or partial.size not in (0, size):
            discard(target)
            return _Partial(url=url, sha256=partial.sha256)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified", "")
        partial = _Partial(url=url, sha256=partial.sha256, version=version, size=size)
        durable.replace_json(_notes_of(target), partial.model_dump())
        check_space(target.parent, size - start + further_bytes, target.name)
        _append(answer, target, size, report)
    return partial


def _headers(url: str, partial: _Partial, have: int) -> dict[str, str]:
    """Ask for the missing bytes, on condition that the server's file is the same as before."""
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if partial.version and not partial.version.startswith("W/") and partial.url == url:
            headers["If-Range"] = partial.version
    return headers


def _extent(answer: requests.Response, name: str, have: int) -> tuple[int, int]:
    """(the first byte of the answer, the size of the whole file); (-1, 0) when the range does not exist."""
    if answer.status_code == 206 and (match := _RANGE.fullmatch(answer.headers.get("Content-Range", ""))):
        return int(match[1]), int(match[2])
    if answer.status_code == 416 and have:
        return -1, 0
    length = answer.headers.get("Content-Length", "")
    if answer.status_code == 200 and length.isdecimal() and int(length):
        return 0, int(length)
    raise DownloadError(_refusal(answer, name))


def _append(answer: requests.Response, target: Path, size: int, report: Report) -> None:
    """Append the bytes of an answer to the incomplete file, at most up to its size."""
    descriptor = regular_file.open_descriptor(part_of(target), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        have = os.fstat(descriptor).st_size
        while have < size and (data := answer.raw.read1(min(CHUNK_BYTES, size - have), decode_content=False)):
            durable.write_all(descriptor, data)
            have += len(data)
            report(have // 1_000_000, size // 1_000_000, f"{target.name} in MB")
        durable.fsync(descriptor)
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        have = os.fstat(descriptor).st_size
        free = shutil.disk_usage(target.parent).free
        raise DownloadError(
            f"The disk is full: {target.name} needs {(size - have) / 1e9:.2f} GB more and {free / 1e9:.2f} GB are free "
            f"in {target.parent}. Free some space. {AGAIN}"
        ) from None
    finally:
        os.close(descriptor)
    if have < size:
        raise requests.ConnectionError("the connection ended early")


def _refusal(answer: requests.Response, what: str) -> str:
    return (
        f"{what} cannot be downloaded: {host(answer.url)} answered {answer.status_code} {answer.reason}. Check the "
        "address, or use another mirror."
    )


def host(url: str) -> str:
    """The host and port of an address, without a password."""
    return url.partition("//")[2].partition("/")[0].rpartition("@")[2] or url


def _reason(error: Exception) -> str:
    """Why a connection failed, in words."""
    if isinstance(error, requests.Timeout):
        return "it does not answer"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return "the address is not valid"
    return "it is not reachable" if isinstance(error, requests.ConnectionError) else "the connection broke"
