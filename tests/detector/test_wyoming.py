"""The Wyoming server hears for several clients what `detect` hears, and withstands clients that do wrong."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests import fork_server, tone_model
from tests.tiny import RATE, clip_of, write_wav
from tests.waiting import PATIENCE, wait_for
from trainer.detector import detector, listening
from trainer.system.workspace import PROJECT_ROOT

ATLAS, COMPUTER = range(540, 680, 20), range(1440, 1580, 20)
DESCRIBE = b'{"type": "describe"}\n'
CHUNK = {"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}}
MINUTES = int(os.environ.get("WAKE_MINUTES", "4"))
"""Of audio played fast; WAKE_MINUTES=60 plays an hour."""
MOST_GROWTH = 8 << 20
"""Bytes by which a server may grow: caches of allocators, no state of clients."""


class Server:
    """`python -m trainer wyoming` in a process of its own."""

    def __init__(self, uri: str, *models: Path) -> None:
        command = [sys.executable, "-m", "trainer", "wyoming", *map(str, models), "--uri", uri, "--json"]
        self.process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.ready = self.process.stderr.readline().decode()
        self.uri = self.ready.partition(" on ")[2].partition(". ")[0]
        self.heard: list[dict] = []
        self.reader = threading.Thread(target=lambda: self.heard.extend(map(json.loads, self.process.stdout)))
        self.reader.start()

    @property
    def memory(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss

    @property
    def place(self) -> tuple[str, int]:
        host, _, port = self.uri.removeprefix("tcp://").rpartition(":")
        return host, int(port)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.place, timeout=PATIENCE)

    def answers(self, seconds: float = PATIENCE) -> bool:
        """Whether a new client is told in time which words there are."""
        with self.connect() as client:
            client.settimeout(seconds)
            client.sendall(DESCRIBE)
            return b"hey_atlas" in received(client, b"computer")

    def end(self) -> str:
        """Press Ctrl-C; returns what the server says on standard error."""
        self.process.send_signal(signal.SIGINT)
        told = self.process.stderr.read().decode()
        self.reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        assert self.process.wait(PATIENCE) == 0, told
        return told


def received(client: socket.socket, until: bytes | None = None) -> bytes:
    """What the server sends until these bytes come, or until it closes the connection."""
    data = b""
    while (until is None or until not in data) and (more := client.recv(1 << 16)):
        data += more
    return data


def play(server: Server, wav: Path, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.wake_client", server.uri, str(wav), *map(str, arguments)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def events(client: subprocess.Popen) -> list[dict]:
    """What the client was told, without the description at the end."""
    out, told = client.communicate(timeout=PATIENCE)
    *lines, info = [json.loads(line) for line in out.splitlines()]
    assert client.returncode == 0 and info["wake"], (out, told)
    return lines


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "hey_atlas": tone_model.write(folder / "atlas", hertz=ATLAS, label="hey atlas"),
        "computer": tone_model.write(
            folder / "computer", hertz=COMPUTER, label="Computer", threshold=0.9, smoothing_seconds=0.1
        ),
    }


@pytest.fixture(scope="module")
def server(models: dict[str, Path]) -> Iterator[Server]:
    started = Server("tcp://127.0.0.1:0", *models.values())
    assert started.ready.startswith("Listening for hey atlas and Computer on tcp://127.0.0.1:"), started.ready
    yield started
    assert "Traceback" not in started.end()


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute with both words, now and then twice within the refractory time, the last one at the very end."""
    rng = np.random.default_rng(3)
    clips = [clip_of(rng, rng.choice([600.0, 1500.0, 1000.0]))[: rng.integers(14000, 24000)] for _ in range(24)]
    path = tmp_path_factory.mktemp("evening") / "evening.wav"
    write_wav(path, np.concatenate([*clips, clip_of(rng, 600.0)[:9200]]))
    return path


def times(model: Path, wav: Path) -> list[float]:
    """Where `detect` hears the word, in seconds."""
    loaded = detector.load(model, threads=1)
    document, _ = listening.in_file(loaded, wav, loaded.file.threshold, with_scores=False)
    return [each["time"] for each in document["detections"]]


def test_two_clients_at_once_hear_what_detect_hears(server: Server, models, evening: Path):
    one = play(server, evening, "Hey Atlas", "--timestamp", 5_000_000)
    both = play(server, evening, "hey_atlas", "computer", "Computer", "hey atlas", "hey_atlas", "--samples", 333)
    atlas, computer = (times(models[name], evening) for name in ("hey_atlas", "computer"))
    assert len(atlas) > 3 and len(computer) > 3 and atlas[-1] > soundfile.info(evening).duration
    told = events(one)
    assert [(each["type"], each["name"]) for each in told] == [("detection", "Hey Atlas")] * len(atlas)
    assert [each["timestamp"] for each in told] == pytest.approx([5_000_000 + 1000 * time for time in atlas], abs=1)
    told = events(both)
    assert [each["timestamp"] for each in told if each["name"] == "hey_atlas"] == pytest.approx(
        [1000 * time for time in atlas], abs=1
    )
    assert [each["timestamp"] for each in told if each["name"] == "Computer"] == pytest.approx(
        [1000 * time for time in computer], abs=1
    )
    wait_for(lambda: len(server.heard) >= 2 * len(atlas) + len(computer))
    printed = [each for each in server.heard if each["name"] == "Hey Atlas"]
    assert [each["time"] for each in printed] == atlas and sorted(printed[0]) == [
        "client", "name", "score", "time", "timestamp",
    ]  # fmt: skip


def test_a_client_that_hears_nothing_is_told(server: Server, evening: Path, tmp_path: Path):
    write_wav(tmp_path / "quiet.wav", np.zeros(3 * RATE))
    assert [each["type"] for each in events(play(server, tmp_path / "quiet.wav"))] == ["not-detected"]
    twice = events(play(server, evening, "computer", "--times", 2))
    assert twice[: len(twice) // 2] == twice[len(twice) // 2 :] != []  # each stream starts anew


@pytest.mark.parametrize(
    ("rate", "channels", "encoding"), [(44100, 2, "PCM_16"), (48000, 1, "PCM_32"), (8000, 1, "PCM_U8")]
)
def test_other_formats_are_converted(server: Server, models, evening: Path, tmp_path: Path, rate, channels, encoding):
    wave = soundfile.read(evening)[0]
    at = np.arange(round(len(wave) * rate / RATE)) / rate
    other = np.interp(at, np.arange(len(wave)) / RATE, wave)
    soundfile.write(tmp_path / "other.wav", np.stack([other] * channels, 1), rate, encoding)
    told = events(play(server, tmp_path / "other.wav", "hey_atlas"))
    expected = [1000 * time for time in times(models["hey_atlas"], tmp_path / "other.wav")]
    assert [each["timestamp"] for each in told] == pytest.approx(expected, abs=20)


def chunk(audio: bytes, **changes: object) -> bytes:
    head = CHUNK | {"data": CHUNK["data"] | changes, "payload_length": len(audio)}
    return json.dumps(head).encode() + b"\n" + audio


def test_a_stream_without_audio_has_no_word(server: Server):
    with server.connect() as client:
        client.sendall(b'{"type": "audio-stop"}\n')
        assert b'"not-detected"' in received(client, b"\n")


REFUSED = {
    "a word that there is not": (b'{"type": "detect", "data": {"names": ["nobody"]}}\n', "no wake word 'nobody'"),
    "words that are no text": (b'{"type": "detect", "data": {"names": [3]}}\n', "no wake word 3"),
    "a rate of nothing": (chunk(bytes(64), rate=0), "audio is not supported: rate 0"),
    "five bytes a sample": (chunk(bytes(60), width=5), "width 5"),
    "channels in words": (chunk(bytes(60), channels="two"), "channels 'two'"),
    "half a sample": (chunk(bytes(63)), "63 bytes of audio are no whole number"),
    "no format": (b'{"type": "audio-chunk"}\n', "rate None"),
    "noise": (os.urandom(300) + b"\n", "no Wyoming event"),
    "a page of the web": (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "no Wyoming event"),
    "no line at all": (b"a" * (1 << 20), "no Wyoming event"),
    "other JSON": (b"[1, 2]\n", "no Wyoming event"),
    "no type": (b"{}\n", "no Wyoming event"),
    "data that is a list": (b'{"type": "detect", "data": [1]}\n', "no Wyoming event"),
    "depth": (b"[" * 60000 + b"\n", "no Wyoming event"),
    "a length in words": (b'{"type": "describe", "data_length": "many"}\n', "no Wyoming event"),
    "a broken length": (b'{"type": "describe", "data_length": 2.5}\nabcdef', "no Wyoming event"),
    "a huge length of data": (b'{"type": "describe", "data_length": 1e300}\n', "more than 1,048,576 bytes"),
    "a huge length of audio": (
        json.dumps(CHUNK | {"payload_length": 1 << 40}).encode() + b"\n" + bytes(8 << 20), "more than 1,048,576 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_client_that_does_wrong_is_told_and_dismissed(server: Server, kind: str):
    data, sentence = REFUSED[kind]
    with server.connect() as client:
        client.sendall(data)
        told = received(client).decode()
    assert '"type": "error"' in told and sentence in told, told


def test_clients_vanish_at_any_moment(server: Server):
    before = server.memory
    whole = b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n' + chunk(bytes(1 << 19))
    for cut in [1, 40, 90, 130, 300, 70_000, len(whole) - 1, len(whole)] * 5:
        client = server.connect()
        client.sendall(whole[:cut])
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # as when a device loses power
        client.close()
    assert server.answers()
    wait_for(lambda: server.memory < before + MOST_GROWTH)


def test_a_thousand_connects(server: Server):
    assert server.answers()
    before = server.memory

    async def ask(number: int) -> bool:
        reader, writer = await asyncio.open_connection(*server.place)
        writer.write(DESCRIBE)
        answer = await reader.readline() if number % 2 else b"info"
        writer.close()
        return b"info" in answer

    async def crowd() -> list[bool]:
        return [
            each for first in range(0, 1000, 100) for each in await asyncio.gather(*map(ask, range(first, first + 100)))
        ]

    assert all(asyncio.run(crowd()))
    silent = [server.connect() for _ in range(250)]  # more than are served at once: the first ones are disconnected
    assert server.answers()
    assert silent[0].recv(1) == b""
    silent[-1].sendall(DESCRIBE)
    assert b"hey_atlas" in received(silent[-1], b"computer")
    for client in silent:
        client.close()
    wait_for(lambda: server.memory < before + MOST_GROWTH)


def test_memory_stays_flat_and_nobody_starves(server: Server, evening: Path):
    """Two clients play audio as fast as it is heard; three more never read what they ask for; one more is answered."""
    rounds = 60 * MINUTES // (2 * round(soundfile.info(evening).duration))
    for _ in range(2):
        events(play(server, evening))
    before = server.memory
    deaf = [server.connect() for _ in range(3)]
    for client in deaf:
        client.setblocking(False)
        client.send(20_000 * DESCRIBE)
    assert server.answers(seconds=2.0)
    for client in deaf:
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):  # the server reads no more of what it cannot answer
            while True:
                client.sendall(1000 * DESCRIBE)
    with ThreadPoolExecutor() as pool:
        players = [play(server, evening, "--times", rounds, "--samples", samples) for samples in (1024, 100_000)]
        playing = [pool.submit(events, each) for each in players]
        while not any(each.done() for each in playing):
            assert server.answers(seconds=2.0)
    one, other = (each.result() for each in playing)
    assert [each["timestamp"] for each in one] == [each["timestamp"] for each in other] and len(one) % rounds == 0
    assert server.memory < before + MOST_GROWTH, (server.memory - before) >> 20
    for client in deaf:
        client.close()


def test_a_unix_socket_is_private_and_ctrl_c_ends_it(models, evening: Path, tmp_path: Path):
    uri = f"unix://{tmp_path}/wake"
    server = Server(uri, models["computer"])
    assert server.uri == uri and (tmp_path / "wake").stat().st_mode & 0o077 == 0
    taken = fork_server.command("wyoming", models["computer"], "--uri", uri)
    assert taken.returncode == 2 and f"{uri} is in use." in taken.stderr
    client = play(server, evening, "--times", 10_000)
    client.stdout.readline()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(tmp_path / "wake"))
        stranger.sendall(REFUSED["a word that there is not"][0])
        assert b'"error"' in received(stranger)
    told = server.end()
    assert "Traceback" not in told and not (tmp_path / "wake").exists()
    assert "A client is disconnected: There is no wake word 'nobody'. Known: computer." in told
    client.communicate(timeout=PATIENCE)


def test_what_cannot_be_served_is_one_sentence(server: Server, models, tmp_path: Path):
    atlas = models["hey_atlas"]
    (tmp_path / "file").touch()
    attempts = {
        (atlas, "--uri", server.uri): "is in use. End the program that listens there, or choose another --uri.",
        (atlas, "--uri", "10400"): "'10400' is no address to listen on. Write tcp://HOST:PORT or unix:///PATH.",
        (atlas, "--uri", "tcp://127.0.0.1:99999"): "is no address to listen on",
        (atlas, "--uri", "tcp://192.0.2.1:10400"): "cannot listen on tcp://192.0.2.1:10400 (Cannot assign requested",
        (atlas, "--uri", f"unix://{tmp_path}/file"): "is in use",
        (atlas, "--zeroconf"): "Only this machine can reach tcp://127.0.0.1:10400, so there is nothing to announce.",
        (atlas, atlas): "Two models are called 'hey atlas'.",
        (tmp_path / "none.onnx",): "none.onnx does not exist.",
        (): "Missing argument 'MODEL...'.",
    }
    if find_spec("zeroconf") is None:
        attempts[atlas, "--zeroconf", "--uri", "tcp://0.0.0.0:0"] = "needs the package zeroconf. Install it: "
    for arguments, sentence in attempts.items():
        done = fork_server.command("wyoming", *arguments)
        assert done.returncode == 2 and sentence in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert (tmp_path / "file").is_file()
