"""Scored streams made from random numbers."""

import numpy as np

from trainer.detector import stream_scores
from trainer.evaluation import curve
from trainer.evaluation.evaluations import Evaluation
from trainer.streams.stream_set import Part, Recording, ScoredStream, Word


def recording(name: str = "one", seconds: float = 60.0, **values: object) -> Recording:
    return Recording(**({"name": name, "path": f"{name}.wav", "seconds": seconds, "condition": "speech",
                         "counts_false_accepts": True} | values))  # fmt: skip


def scored(made: Recording, peaks: dict[float, float], hop: float = 0.1, refractory: float = 1.0) -> ScoredStream:
    """Probability 0 but for the hops that end at these seconds."""
    probability = np.zeros(round(made.seconds / hop))
    for seconds, value in peaks.items():
        probability[round(seconds / hop) - 1] = value
    return ScoredStream(made, probability, hop, refractory)


def words(count: int, every: float = 4.0, speakers: int = 10) -> list[Word]:
    return [
        Word(start=2 + every * n, end=2.7 + every * n, clip=f"positive/{n}.wav",
             speaker=f"speaker {n % speakers}" if speakers else "")
        for n in range(count)
    ]  # fmt: skip


def random_words(
    rng: np.random.Generator, name: str, said: list[Word], share: float = 0.8, hop: float = 0.1
) -> ScoredStream:
    """A stream of words of which about this share leaves a trace."""
    made = recording(name, said[-1].end + 4, words=said, condition=name, counts_false_accepts=False)
    raw = np.clip(rng.normal(0.1, 0.1, int(made.seconds / hop)), 0, 1)
    for word in said:
        if rng.random() < share:
            first = round(word.start / hop) + rng.integers(0, 8)
            raw[first : first + 5] += rng.uniform(0, 0.9)
    return ScoredStream(made, stream_scores.smooth(np.clip(raw, 0, 1), hop), hop, 1.0)


def random_other(
    rng: np.random.Generator, name: str, seconds: float, bumps: float = 60, hop: float = 0.1
) -> ScoredStream:
    """A stream without the word, with `bumps` look-alikes an hour."""
    raw = np.clip(rng.normal(0.1, 0.1, int(seconds / hop)), 0, 1)
    for first in rng.integers(0, len(raw) - 8, rng.poisson(bumps * seconds / 3600)):
        raw[first : first + rng.integers(2, 9)] += rng.uniform(0, 0.9)
    length = 3.0
    parts = [
        Part(start=at, end=at + length, clip=f"hard_negative/{n}.wav", label="hard_negative", phrase=f"phrase {n % 5}")
        for n, at in enumerate(np.arange(0, seconds - length, length).tolist())
    ]
    return ScoredStream(recording(name, seconds, parts=parts), stream_scores.smooth(np.clip(raw, 0, 1), hop), hop, 1.0)


def random_evaluation(rng: np.random.Generator, hours: float = 0.5, count: int = 60) -> list[ScoredStream]:
    """Words in three conditions and audio without them."""
    said = words(count)
    streams = [random_words(rng, name, said, share) for name, share in (("clean", 0.95), ("10 dB", 0.8), ("room", 0.6))]
    return [*streams, *(random_other(rng, f"other {n}", hours * 1800) for n in range(2))]


def evaluation(streams: list[ScoredStream], **values: object) -> Evaluation:
    """The document of an evaluation of these streams."""
    told = {
        "id": "20260101-130000-0001", "run": "20260101-120000-0001", "checkpoint": "epoch-00003.pt", "epoch": 3,
        "model_sha256": "", "created": "2026-01-01T13:00:00+00:00", "streams_key": "k", "streams_title": "some streams",
        "audio_seconds": sum(each.recording.seconds for each in streams), "scoring_seconds": 1.0,
        "hours": curve.hours(streams), "words": sum(len(each.recording.words) for each in streams),
        "hop_seconds": 0.1, "smoothing_seconds": 0.2, "refractory_seconds": 1.0, "curve": curve.curve(streams),
    }  # fmt: skip
    return Evaluation(**(told | values))
