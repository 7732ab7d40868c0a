"""Synthetic clips for a phrase in a language: the phrase, similar phrases, other words, noise and rooms."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from trainer.dataset import importing
from trainer.dataset.importing import Imported
from trainer.synthesis import espeak, languages, phrases, piper, recipe
from trainer.system.job import Report
from trainer.system.workspace import Workspace

MOST = 20_000
LABELS_OF_SPEECH = ("positive", "hard_negative", "negative")


@dataclass(frozen=True)
class Order:
    """How many clips of each label; `look_alikes` are the texts for hard negatives (none: they are proposed);
    `piper` is a voice of Piper or a folder of them, which speak instead of espeak-ng."""

    phrase: str
    language: str = "en"
    voices: int = 66
    seed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    look_alikes: tuple[str, ...] = ()
    piper: str = ""

    def check(self) -> None:
        """Raises ValueError with what to change."""
        for label, count in self.counts.items():
            if not 0 <= count <= MOST:
                raise ValueError(f"{count} {label} clips cannot be made; choose 0 to {MOST:,}.")
        if not any(self.counts.values()):
            raise ValueError("Nothing is ordered: every count is 0.")
        if not 1 <= self.voices <= len(languages.VARIANTS):
            raise ValueError(f"There are {len(languages.VARIANTS)} voices; choose 1 to {len(languages.VARIANTS)}.")


def _texts(order: Order, phrase: str, seed: int) -> dict[str, list[str]]:
    language = languages.find(order.language)
    given = phrases.check_texts(order.look_alikes, phrase, language)
    hard, other = order.counts.get("hard_negative", 0), order.counts.get("negative", 0)
    return {
        "positive": [phrase],
        "hard_negative": (given or phrases.look_alikes(phrase, language)) if hard else [],
        "negative": phrases.other_texts(phrase, other, seed, language),
    }


def _speak(order: Order, folder: Path, report: Report) -> list[Path]:
    """Speak what is ordered; returns the negatives, for babble."""
    language = languages.find(order.language)
    phrase = phrases.check(order.phrase, language)
    piper_voices = piper.voices_at(order.piper) if order.piper.strip() else []
    named = [name for _, _, name in piper.named_speakers(piper_voices)] or language.voices
    rng, voices = random.Random(order.seed), named[: order.voices]
    texts = _texts(order, phrase, order.seed)
    spoken = {
        label: recipe.utterances(texts[label], voices, count, folder / label, rng)
        for label in LABELS_OF_SPEECH
        if (count := order.counts.get(label, 0))
    }
    everything = [utterance for utterances in spoken.values() for utterance in utterances]
    told = recipe.told_by(report, len(everything), phrase)
    if piper_voices:
        piper.speak(piper_voices, everything, told)
    else:
        espeak.speak(everything, told)
    return [utterance.path for utterance in spoken.get("negative", [])]


def fill(workspace: Workspace, order: Order, report: Report) -> Imported:
    """Make the clips and put them into data/raw as one change that can be undone.

    Raises ValueError for an order that cannot be met, OSError.
    """
    order.check()
    report(0, 0, "Finding words")
    with importing.staging(workspace) as (change_id, folder):
        babble = _speak(order, folder, report) if any(order.counts.get(label) for label in LABELS_OF_SPEECH) else []
        recipe.write_background(folder / "background", order.counts.get("background", 0), babble, order.seed, report)
        recipe.write_rooms(folder / "rirs", order.counts.get("rirs", 0), order.seed, report)
        files = [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*.wav"))]
        title = f"Synthesised {order.phrase}" if order.phrase.strip() else "Generated noise and rooms"
        return importing.take(workspace, files, "", title, change_id)
