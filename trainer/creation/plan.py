"""Plans a creation: which clips are spoken, to fit into the minutes that were ordered."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trainer.config import config_file
from trainer.config.schema import Config
from trainer.creation.creation import Order, Stage
from trainer.synthesis import engines, phrases, recipes, speech_streams, typed_words
from trainer.synthesis.engines import ESPEAK
from trainer.synthesis.recipes import SPEECH, Recipe
from trainer.system import limits
from trainer.system.workspace import Workspace

PRESET = "recommended"
DATA_SHARE, EVALUATION_SHARE = 0.75, 0.15
"""Shares of the ordered minutes that speaking and evaluation may take; training gets the rest. Only speaking is cut:
with fewer epochs a detector of few clips misses most words."""
EXPORT_SECONDS = 10.0
HOURS = 3.0
"""Fluent speech without the phrase, in English: with it the threshold that ships misses fewer people (measured:
benchmarks.typed)."""
SECONDS_PER_CLIP = 0.02
"""Processor time of espeak-ng for a clip; the other engines are timed when they are installed."""
SECONDS_PER_NOISE, SECONDS_PER_HOUR, SECONDS_PER_READING = 0.04, 20.0, 0.01
"""Processor time of a clip of noise or a room, of each part of an hour of sentences, and of the scan of a clip."""
LEAST_SCALE = 0.2
"""The smallest data set, as a share of the usual one: with fewer clips a detector learns little."""


def voices(workspace: Workspace, order: Order) -> tuple[str, ...]:
    """The engines that speak the language of an order. Raises ValueError for an unknown language."""
    language = phrases.find_language(order.language)
    return tuple(engine.name for engine in engines.choose(workspace, (), language, ""))


@dataclass(frozen=True)
class DataPlan:
    """The clips of a creation, and about how many seconds each phase takes, by the beginning of what it reports."""

    recipe: Recipe
    phases: dict[str, float]

    @property
    def seconds(self) -> float:
        return sum(self.phases.values())


def data(workspace: Workspace, order: Order, names: tuple[str, ...]) -> DataPlan:
    """The clips to make, within DATA_SHARE of the ordered minutes if possible."""
    usual = _usual(order, names)
    allowed = DATA_SHARE * 60 * order.minutes
    scale = max(LEAST_SCALE, min(1.0, allowed / sum(_phases(workspace, usual).values())))
    counts = {label: round(scale * count) for label, count in usual.counts.items()}
    fitted = replace(usual, counts=counts, hours=scale * usual.hours)
    return DataPlan(fitted, _phases(workspace, fitted))


def _usual(order: Order, names: tuple[str, ...]) -> Recipe:
    """The clips that are made if there is time for all."""
    hours = HOURS if order.language == speech_streams.LANGUAGE else 0.0
    usual = typed_words.recipe(order.phrase, names, order.seed, order.language)
    return replace(usual, pronunciations=order.pronunciations, hours=hours)


def made_by(order: Order, names: tuple[str, ...]) -> str:
    """The recipe and the configuration as text: with newer ones, the same order makes another detector."""
    return f"{_usual(order, names)!r} {config_file.dump(config(order.seed)).decode()}"


def _phases(workspace: Workspace, order: Recipe) -> dict[str, float]:
    """About how long the clips of a recipe take on this machine, in the order of the work."""
    known = {document["name"]: document["seconds_per_clip"] for document in engines.documents(workspace)}
    speakers = engines.choose(workspace, order.engines, phrases.find_language(order.language), "")
    speaking = 0.0
    for label in SPEECH:
        for engine, numbers, accented in zip(speakers, *recipes.shares(order, speakers, label), strict=True):
            pace = SECONDS_PER_CLIP if engine.name == ESPEAK else known[engine.name] or SECONDS_PER_CLIP
            speaking += pace * (len(numbers) + len(accented))
    return {
        f"Speaking {order.phrase} and": speaking / limits.cores(),
        "Generating noise": SECONDS_PER_NOISE * order.counts.get("background", 0),
        "Generating room": SECONDS_PER_NOISE * order.counts.get("rirs", 0),
        "Speaking sentences": SECONDS_PER_HOUR * order.hours / limits.cores(),
        "Adding noise": SECONDS_PER_HOUR * order.hours / limits.cores(),
        "Reading": SECONDS_PER_READING * sum(order.counts.values()) / limits.cores(),
    }


def planned(order: Order, data_seconds: float) -> dict[Stage, float]:
    """Seconds of each stage before anything is measured."""
    evaluation = EVALUATION_SHARE * 60 * order.minutes
    training = max(60.0, 60 * order.minutes - data_seconds - evaluation - EXPORT_SECONDS)
    return {"data": data_seconds, "training": training, "evaluation": evaluation, "export": EXPORT_SECONDS}


def config(seed: int) -> Config:
    """The configuration of the training: PRESET with a seed."""
    preset = config_file.preset(PRESET)
    return preset.model_copy(update={"training": preset.training.model_copy(update={"seed": seed})})
