"""One client of the Wyoming server: its events and their answers.

Describe is answered with Info; Detect (names), AudioStart and AudioChunks with a Detection whenever a word is heard;
AudioStop with NotDetected when none was. A request that cannot be served raises ValueError, which ends the connection.
Source: github.com/OHF-Voice/wyoming.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.wake import Detect, Detection, NotDetected

from trainer.detector import wake_session
from trainer.detector.detector import Detector
from trainer.detector.wake_session import Hit, WakeSession

MOST_BYTES = 1 << 20
"""Of the data or of the audio of one event: half a minute at 16 kHz."""
PIECE_SECONDS = 0.5
"""Audio that is computed for one client before it is another's turn."""
LATEST_TIMESTAMP = 1 << 63
SLOWEST_SECONDS = 30.0
"""A client that reads nothing for so long is disconnected."""
ATTRIBUTION = Attribution(name="Wakeword Studio", url="")


def named(detectors: Iterable[Detector]) -> dict[str, Detector]:
    """Detectors by the name that clients know. Raises ValueError for two of the same name."""
    models: dict[str, Detector] = {}
    for each in detectors:
        name = _key(each.file.label)
        if name in models:
            raise ValueError(
                f"Two models are called {each.file.label!r}. Leave one out, or rename its run and export it again."
            )
        models[name] = each
    return models


def _key(name: str) -> str:
    """What is equal in names that clients may spell differently: hey_atlas, Hey Atlas."""
    return re.sub(r"[\s_]+", "_", name.strip().lower())


def info(models: Mapping[str, Detector]) -> Info:
    """The description of the server."""
    words = [
        WakeModel(
            name=name,
            description=model.file.label,
            phrase=model.file.label,
            version=model.file.run,
            languages=[],
            attribution=ATTRIBUTION,
            installed=True,
        )
        for name, model in models.items()
    ]
    text = "Wake words of your own"
    program = WakeProgram("wakeword-studio", ATTRIBUTION, installed=True, description=text, version=None, models=words)
    return Info(wake=[program])


class BoundedReader(StreamReader):
    """Refuses to read more than MOST_BYTES at once, whatever length an event claims."""

    async def readexactly(self, n: int) -> bytes:
        if n > MOST_BYTES:
            raise ValueError(f"{n} bytes")
        return await super().readexactly(n)


async def events(reader: StreamReader) -> AsyncIterator[Event]:
    """The events of a client until it ends. Raises ValueError for anything else, EOFError in the middle of an event."""
    while True:
        await asyncio.sleep(0)  # reading what has arrived already gives no other client a turn
        event = None
        with suppress(AttributeError, KeyError, TypeError, RecursionError):  # JSON that is no event
            event = await async_read_event(reader)
        if event is None and reader.at_eof():
            return
        if event is None or not isinstance(event.data, dict):
            raise ValueError(f"This is no Wyoming event, or its data or audio has more than {MOST_BYTES:,} bytes.")
        yield event


@dataclass
class Client:
    """A connection and what it wants to hear; `announce` is told each hit."""

    models: Mapping[str, Detector]
    announce: Callable[[Hit], object]
    writer: StreamWriter
    wanted: Mapping[str, Detector] = field(init=False)
    session: WakeSession | None = None

    def __post_init__(self) -> None:
        self.wanted = self.models

    async def answer(self, event: Event) -> None:
        """Raises ValueError for a request that cannot be served, OSError when the client is gone."""
        data = event.data
        if Describe.is_type(event.type):
            await self.send(info(self.models).event())
        elif Detect.is_type(event.type):
            self.wanted, self.session = self._choose(data.get("names")), None
        elif AudioStart.is_type(event.type):
            self.session = WakeSession(self.wanted, _timestamp(data))
        elif AudioChunk.is_type(event.type):
            self.session = self.session or WakeSession(self.wanted)
            await self._hear(self.session, event)
        elif AudioStop.is_type(event.type):
            session, self.session = self.session, None
            if session:
                await self._compute(session.finish)
            if not session or not session.heard:
                await self.send(NotDetected().event())

    async def send(self, event: Event) -> None:
        async with asyncio.timeout(SLOWEST_SECONDS):
            await async_write_event(event, self.writer)

    def _choose(self, names: object) -> Mapping[str, Detector]:
        """Detectors by the names of a client, which may spell them differently; all when it gives none."""
        if not names:
            return self.models
        spelled = dict[str, str]()
        for name in names if isinstance(names, list) else [names]:
            if not isinstance(name, str) or _key(name) not in self.models:
                raise ValueError(f"There is no wake word {name!r:.80}. Known: {', '.join(self.models)}.")
            spelled[_key(name)] = name
        return {name: self.models[key] for key, name in spelled.items()}

    async def _hear(self, session: WakeSession, event: Event) -> None:
        given = wake_session.audio_format(*(event.data.get(key) for key in ("rate", "width", "channels")))
        audio, timestamp = event.payload or b"", _timestamp(event.data)
        if len(audio) % given.frame_bytes:
            raise ValueError(f"{len(audio)} bytes of audio are no whole number of frames of {given.frame_bytes} bytes.")
        size = round(PIECE_SECONDS * given.rate) * given.frame_bytes
        for first in range(0, len(audio), size):
            piece, begins = audio[first : first + size], None if first else timestamp
            await self._compute(partial(session.push, given, piece, begins))

    async def _compute(self, work: Callable[[], list[Hit]]) -> None:
        """Compute detections in a thread, beside the other clients, and tell them."""
        for hit in await asyncio.to_thread(work):
            self.announce(hit)
            await self.send(Detection(name=hit.name, timestamp=hit.timestamp).event())


def _timestamp(data: Mapping[str, object]) -> int | None:
    value = data.get("timestamp")
    return round(value) if isinstance(value, int | float) and abs(value) < LATEST_TIMESTAMP else None
