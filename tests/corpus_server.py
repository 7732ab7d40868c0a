"""Small corpora in the layout of the public ones, and a local HTTP server that serves them, also badly."""

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import soundfile

from tests.tiny import RATE
from trainer.dataset import corpus_catalog
from trainer.dataset.corpus_catalog import Corpus
from trainer.system import durable
from trainer.system.workspace import Workspace

READ = "tiny-read"
SPEAKERS = ("1272", "1462", "84")


def flac(number: int, form: str = "FLAC", seconds: int = 1) -> bytes:
    """Noise of its own for each number."""
    out = io.BytesIO()
    wave = 0.05 * np.random.default_rng(number).standard_normal(seconds * RATE)
    soundfile.write(out, wave, RATE, format=form)
    return out.getvalue()


def wav(number: int) -> bytes:
    """As `flac`, in another format."""
    return flac(number, "WAV")


def tar_of(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    """A .tar.gz of these files and of further entries without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
        for entry in others:
            archive.addfile(entry)
    return out.getvalue()


def read_speech(clips: int = 4, seconds: int = 1) -> bytes:
    """An archive in the layout of LibriSpeech dev-clean."""
    files = {"LibriSpeech/LICENSE.TXT": b"CC BY 4.0", "LibriSpeech/dev-clean/84/121123/84-121123.trans.txt": b"text"}
    for index, speaker in enumerate(SPEAKERS):
        for number in range(clips):
            name = f"LibriSpeech/dev-clean/{speaker}/12{index}/{speaker}-12{index}-{number:04d}.flac"
            files[name] = flac(100 * index + number, seconds=seconds)
    return tar_of(files)


def corpus_of(archive: bytes, url: str, **changes: object) -> Corpus:
    """A corpus like LibriSpeech dev-clean whose archive is this one."""
    own = {"name": READ, "title": "Tiny read speech", "url": url, "sha256": hashlib.sha256(archive).hexdigest()}
    sizes = {"megabytes": len(archive) / 1e6, "unpacked_megabytes": len(archive) / 1e6, "hours": 0.01}
    return Corpus.model_validate(corpus_catalog.CATALOG[0].model_dump() | own | sizes | changes)


def declare(workspace: Workspace, *own: Corpus) -> None:
    """Add corpora to the catalog of the workspace."""
    (workspace.root / "data").mkdir(parents=True, exist_ok=True)
    durable.replace_json(workspace.root / "data" / corpus_catalog.OWN_FILE, [corpus.model_dump() for corpus in own])


def hub_of(repo: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """What the Hugging Face Hub answers for a data set with these files, by path; tiny ones have no digest."""
    entries: list[dict[str, object]] = [{"type": "directory", "path": "16khz", "size": 0, "oid": "0" * 40}]
    for path, data in files.items():
        lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
        entry = {"type": "file", "path": path, "size": len(data), "oid": "0" * 40}
        entries.append(entry | ({"lfs": lfs} if len(data) > 20 else {}))
    answers = {f"/datasets/{repo}/resolve/main/{path}": data for path, data in files.items()}
    return answers | {f"/api/datasets/{repo}/tree/main?recursive=true": json.dumps(entries).encode()}


@dataclass
class Server:
    """What is served, how, and what was asked: (path, Range or "") and the bytes of bodies that were sent."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    """After so many bytes each of the next answers breaks off."""
    ranges: bool = True
    version: str = '"1"'
    requests: list[tuple[str, str]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    passwords: list[str] = field(default_factory=list)
    """The header Authorization of each request."""
    sent: int = 0
    pause: Callable[[], object] | None = None
    """Called when a broken-off answer has sent its bytes, before it ends."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data, wanted = server.files.get(self.path), self.headers.get("Range", "")
            server.requests.append((self.path, wanted))
            server.passwords.append(self.headers.get("Authorization", ""))
            if data is None:
                elsewhere = server.redirects.get(self.path)
                self.send_response(302 if elsewhere else 404)
                self.send_header("Location", elsewhere or "")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            match = re.fullmatch(r"bytes=(\d+)-", wanted)
            same = self.headers.get("If-Range", server.version) == server.version
            start = int(match[1]) if match and server.ranges and same else 0
            if start >= len(data):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            if server.version:
                self.send_header("ETag", server.version)
            self.end_headers()
            body = data[start:]
            if server.breaks:
                body = body[: server.breaks.pop(0)]
            server.sent += len(body)  # before the client can have all of it
            self.wfile.write(body)
            self.wfile.flush()
            if len(body) < len(data) - start and server.pause:
                server.pause()
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            """Nothing is printed."""

    return Handler


def serving(**files: bytes) -> AbstractContextManager[Server]:
    """A server on a free port with these files; `_` in a name stands for a dot."""
    return serving_paths({f"/{name.replace('_', '.')}": data for name, data in files.items()})


@contextmanager
def serving_paths(files: dict[str, bytes]) -> Iterator[Server]:
    """A server on a free port that gives these answers, by path with query."""
    server = Server(files=files)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        http.daemon_threads = True
        server.address = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
