"""The audio of one Wyoming client: raw samples of any format, the detectors that hear them, and the client's clock."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.detector.detector import Detection, Detector, Piece, Stream, Trigger

RATES = range(4000, 192_001)
MOST_CHANNELS = 8
ENCODINGS = {1: "PCM_U8", 2: "PCM_16", 3: "PCM_24", 4: "PCM_32"}
"""Encodings of libsndfile by bytes per sample."""
MILLISECONDS = 1000


class AudioFormat(NamedTuple):
    """Samples per second, bytes per sample, number of channels."""

    rate: int
    width: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        return self.width * self.channels


class Hit(NamedTuple):
    """A detection for a client: the model as the client calls it, and the time on the client's clock."""

    name: str
    detection: Detection
    timestamp: int


HEARD = AudioFormat(SAMPLE_RATE, 2, 1)
"""What the detectors hear; every other format is converted."""


def audio_format(rate: object, width: object, channels: object) -> AudioFormat:
    """The format of raw samples. Raises ValueError for one that cannot be converted."""
    values = [value for value in (rate, width, channels) if type(value) is int]
    if len(values) == 3 and values[0] in RATES and values[1] in ENCODINGS and 1 <= values[2] <= MOST_CHANNELS:
        return AudioFormat(*values)
    raise ValueError(
        f"This audio is not supported: rate {rate!r:.20}, width {width!r:.20}, channels {channels!r:.20}. Send "
        f"{RATES[0]} to {RATES[-1]} Hz, 1 to 4 bytes per sample and 1 to {MOST_CHANNELS} channels."
    )


class _Converter:
    """Turns raw samples of one format into mono at 16 kHz as they come."""

    def __init__(self, given: AudioFormat) -> None:
        self.format = given
        same_rate = given.rate == SAMPLE_RATE
        self._resampler = None if same_rate else soxr.ResampleStream(given.rate, SAMPLE_RATE, 1, dtype="float32")

    def convert(self, audio: bytes) -> Piece:
        if self.format == HEARD:
            return np.frombuffer(audio, "<i2")
        rate, width, channels = self.format
        raw = {"format": "RAW", "subtype": ENCODINGS[width], "endian": "LITTLE", "samplerate": rate}
        samples = soundfile.read(io.BytesIO(audio), dtype="float32", always_2d=True, channels=channels, **raw)[0]
        mono: Piece = samples.mean(axis=1)
        return mono if self._resampler is None else self._resampler.resample_chunk(mono)

    def rest(self) -> Piece:
        """The samples that the resampler still holds when the audio ends."""
        nothing = np.empty(0, np.float32)
        return nothing if self._resampler is None else self._resampler.resample_chunk(nothing, last=True)


def _streams(models: Mapping[str, Detector]) -> list[tuple[Stream, dict[str, Trigger]]]:
    """A stream for each front end, with the triggers of its detectors by name, in their order in the stream."""
    groups = dict[tuple[object, ...], dict[str, Detector]]()
    for name, model in models.items():
        groups.setdefault(model.front_end, {})[name] = model
    streams = []
    for group in groups.values():
        first, *others = group.values()
        triggers = {name: Trigger(model.file, model.file.threshold) for name, model in group.items()}
        streams.append((first.stream(others), triggers))
    return streams


class WakeSession:
    """The state of the detectors for one stream of audio, from its start.

    `models` maps the names that the client asked for to loaded detectors, which other sessions share.
    """

    def __init__(self, models: Mapping[str, Detector], timestamp: int | None = None) -> None:
        self._streams = _streams(models)
        self._converter = _Converter(HEARD)
        self._seconds = 0.0
        self._clock = [(0.0, timestamp or 0)]
        """Seconds of audio before a chunk, and the timestamp of the chunk in milliseconds."""
        self.heard = False
        """Whether anything was detected."""

    def push(self, given: AudioFormat, audio: bytes, timestamp: int | None = None) -> list[Hit]:
        """Detections in the next raw samples, which are whole frames; `timestamp` is that of the first one, None when
        the clock goes on. Raises ModelFailed."""
        if given != self._converter.format:
            self._converter = _Converter(given)
        if timestamp is not None:
            self._clock.append((self._seconds, timestamp))
        self._seconds += len(audio) / given.frame_bytes / given.rate
        return self._detect(self._converter.convert(audio))

    def finish(self) -> list[Hit]:
        """Detections at the end of the audio: as in `detect`, silence follows. Raises ModelFailed."""
        hits = self._detect(self._converter.rest())
        for stream, triggers in self._streams:
            silence = np.zeros(stream.detector.hops_after * stream.detector.hop_samples, np.float32)
            hits += self._hits(stream, triggers, silence)
        return hits

    def _detect(self, samples: Piece) -> list[Hit]:
        hits = [hit for stream, triggers in self._streams for hit in self._hits(stream, triggers, samples)]
        scored = min(stream.hops * stream.detector.file.hop_seconds for stream, _ in self._streams)
        while len(self._clock) > 1 and self._clock[1][0] <= scored:
            del self._clock[0]
        return hits

    def _hits(self, stream: Stream, triggers: Mapping[str, Trigger], samples: Piece) -> list[Hit]:
        every = zip(triggers.items(), stream.push_all(samples), strict=True)
        detected = [(name, detection) for (name, trigger), scores in every for detection in trigger.push(scores)]
        self.heard |= bool(detected)
        return [Hit(name, detection, self._timestamp(detection.time)) for name, detection in detected]

    def _timestamp(self, seconds: float) -> int:
        """Milliseconds on the client's clock, from the last chunk that began before."""
        begin, timestamp = next(mark for mark in reversed(self._clock) if mark[0] < seconds)
        return timestamp + round(MILLISECONDS * (seconds - begin))
