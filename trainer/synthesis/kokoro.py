"""Speech from Kokoro-82M, one network for all of its voices, computed by a process per core.

The network (StyleTTS 2, Li et al. 2023) takes symbols of phonemes, a style [256] and a speed, and gives sound at
24 kHz. A voice is a table of styles [510, 256], one for each number of symbols. Styles can be mixed: between two voices
lies another one. The sound depends on these inputs alone, not on chance.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from trainer.synthesis import accents, clip_sound, espeak, kokoro_phonemes, speech_cache, voice_model
from trainer.synthesis.clip_sound import Utterance
from trainer.synthesis.kokoro_phonemes import AMERICAN, BRITISH
from trainer.synthesis.phrases import LANGUAGES, Language
from trainer.synthesis.voice_model import RunningVoice
from trainer.system import limits, parallel
from trainer.system.parallel import Advance

NAME = "kokoro"
MODEL, VOCABULARY, VOICES = "model.onnx", "vocab.json", "voices"
"""Files and the folder of an installation."""
SAMPLE_RATE = 24_000
STYLES, WIDTH = 510, 256
"""The shape of a voice; also the most symbols of a text."""
MELODY = 128
"""From this number on a style decides lengths, pitch and loudness; those before are the colour of the voice."""
ACCENTS = {
    "a": ("en", AMERICAN),
    "b": ("en", BRITISH),
    "e": ("es", "es"),
    "f": ("fr", "fr"),
    "h": ("hi", "hi"),
    "i": ("it", "it"),
    "j": ("ja", "ja"),
    "p": ("pt", "pt-br"),
    "z": ("zh", "cmn"),
}
"""The language of a voice, and its voice in espeak-ng, by the first letter of its name."""
MIXED_SHARE, MOST_OF_PARTNER = 0.5, 0.5
"""How many clips are spoken by a mixture of two voices, and the largest share of the second one."""
ENDINGS = ("", ".", "!", "?", ",")
"""Punctuation after a text, which changes its melody."""
QUIET = 0.01
MARGIN_SECONDS = 0.05
"""Sound below QUIET is silence; so much of it stays around the speech."""
SPEAK_SECONDS, SPEAK_SECONDS_PER_SYMBOL = 30.0, 2.0
"""Limits of processor time; an older machine takes 0.1 s for a symbol."""
MOST_SECONDS, MOST_SECONDS_PER_SYMBOL = 3.0, 1.0
"""The longest sound of a text, and of each symbol at normal speed."""
PROCESS_BYTES = 600_000_000
"""Memory of a process; it takes 0.3 GB."""
SAMPLE, TIMED = ("həlˈO wˈɜɹld", 1.0), 4
"""What is spoken to measure the time of a clip, and how often: the first takes longer."""
ADVICE = "Remove the Kokoro voices and get them again."


@dataclass(frozen=True)
class Rendering:
    """What decides the sound of a clip: symbols with punctuation, voice, share of a second voice, and speed."""

    phonemes: str
    voice: str
    partner: str
    share: float
    speed: float
    melody: str = ""
    melody_share: float = 0.0
    """Another voice, and its share in the melody."""


@dataclass(frozen=True)
class Kokoro:
    """The engine in a folder of its files; `cache` holds speech that was made before."""

    folder: Path
    cache: Path
    name: str = NAME

    def voices(self, language: Language) -> Sequence[str]:
        """Voices of the language, then those of other languages, which speak it too; none where no voice is at home."""
        names = _names(self.folder)
        own = [name for name in names if _language(name) == language.code]
        others = [name for name in names if _language(name) != language.code]
        return [f"{NAME}-{name}" for name in (*_in_turn(own), *_in_turn(others))] if own else []

    def speak(self, utterances: Sequence[Utterance], language: Language, report: Callable[[int], None]) -> None:
        """Speak every utterance into its file; `report` gets the number done. Raises ValueError, OSError."""
        left = dict[str, tuple[Rendering, list[Utterance]]]()
        done = 0
        for rendering, utterance in zip(_renderings(self.folder, utterances, language), utterances, strict=True):
            key = speech_cache.key(NAME, *_parts(rendering))
            if key in left:
                left[key][1].append(utterance)
            elif (wave := speech_cache.load(self.cache, key)) is not None:
                clip_sound.write(wave, SAMPLE_RATE, utterance)
                done += 1
                report(done)
            else:
                left[key] = (rendering, [utterance])
        if left:
            self._compute(left, lambda new: report(done + new))
            speech_cache.prune(self.cache)

    def _compute(
        self, left: Mapping[str, tuple[Rendering, Sequence[Utterance]]], report: Callable[[int], None]
    ) -> None:
        """Speak what the cache does not hold, in several processes. Raises ValueError, OSError."""
        vocabulary, styles = read_vocabulary(self.folder), _styles(self.folder)
        queue = iter(list(left.items()))

        def work(advance: Advance) -> None:
            with voice_model.started(self.folder / MODEL, ADVICE, threads=1, products=True) as running:
                for key, (rendering, utterances) in queue:
                    wave = _trimmed(_wave(running, rendering, vocabulary, styles))
                    stored = speech_cache.store(self.cache, key, wave, SAMPLE_RATE)
                    for utterance in utterances:
                        clip_sound.write(stored, SAMPLE_RATE, utterance)
                    advance(len(utterances))

        count = min(processes(), len(left))
        parallel.run([work] * count, count, report)


def processes() -> int:
    """One for each core, as far as memory allows."""
    free = min(psutil.virtual_memory().available, limits.read().memory_free or 1 << 60)
    return max(1, min(limits.cores(), free // PROCESS_BYTES))


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / VOICES).glob("*.bin"))


def _language(name: str) -> str:
    return ACCENTS.get(name[:1], ("", ""))[0]


def _in_turn(names: Sequence[str]) -> Iterator[str]:
    """The names, alternating between languages and sexes, which the first two letters tell."""
    groups = [[name for name in names if name[:2] == prefix] for prefix in sorted({name[:2] for name in names})]
    return (name for name in chain.from_iterable(zip_longest(*groups)) if name)


def languages(names: Sequence[str]) -> list[str]:
    """The codes of the languages that can be chosen and in which one of the voices is at home."""
    return sorted({_language(name) for name in names} & LANGUAGES.keys(), key=list(LANGUAGES).index)


def _accent(name: str, language: Language) -> str:
    """The accent with which a voice speaks a language: its own, or the first of the language."""
    own = ACCENTS.get(name[:1], ("", ""))
    return own[1] if own[0] == language.code else next(a for code, a in ACCENTS.values() if code == language.code)


def _renderings(folder: Path, utterances: Sequence[Utterance], language: Language) -> Iterator[Rendering]:
    """What to compute for each utterance: half of them mixtures with another voice of the language."""
    names = [each.voice.removeprefix(f"{NAME}-") for each in utterances]
    accents = {name: _accent(name, language) for name in set(names)}
    texts = {accent: {each.text for each, name in zip(utterances, names, strict=True) if accents[name] == accent}
             for accent in set(accents.values())}  # fmt: skip
    phonemes = {accent: kokoro_phonemes.of_texts(sorted(of_accent), accent) for accent, of_accent in texts.items()}
    at_home = [name for name in _names(folder) if _language(name) == language.code]
    for each, name in zip(utterances, names, strict=True):
        rng = random.Random(each.seed)
        spoken = phonemes[accents[name]][each.text]
        if each.pronunciation:
            spoken = kokoro_phonemes.symbols(each.pronunciation, _accent("", language))
        if each.is_accented:
            yield _accented(spoken, name, _names(folder), each, rng)
            continue
        partners = [other for other in at_home if other != name and _accent(other, language) == accents[name]]
        mixed = rng.random() < MIXED_SHARE and bool(partners)
        yield Rendering(
            phonemes=spoken + rng.choice(ENDINGS),
            voice=name,
            partner=rng.choice(partners) if mixed else "",
            share=round(rng.uniform(0, MOST_OF_PARTNER), 3) if mixed else 0.0,
            speed=round(each.rate / espeak.NORMAL_RATE, 3),
        )


def _accented(spoken: str, name: str, names: Sequence[str], each: Utterance, rng: random.Random) -> Rendering:
    accent = accents.draw(spoken, name, names, rng)
    speed = round(each.rate / espeak.NORMAL_RATE, 3)
    phonemes = accent.phonemes + rng.choice(ENDINGS)
    return Rendering(phonemes, name, accent.partner, accent.share, speed, accent.melody, accent.melody_share)


def _parts(rendering: Rendering) -> tuple[object, ...]:
    melody = (rendering.melody, rendering.melody_share) if rendering.melody else ()
    return rendering.phonemes, rendering.voice, rendering.partner, rendering.share, rendering.speed, *melody


def read_vocabulary(folder: Path) -> dict[str, int]:
    """The numbers of the symbols. Raises ValueError, OSError."""
    document = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
    return dict(document["vocab"])


def _styles(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The styles [510, 256] of every voice."""
    return {
        name: np.fromfile(folder / VOICES / f"{name}.bin", np.float32).reshape(STYLES, WIDTH) for name in _names(folder)
    }


def _wave(
    running: RunningVoice,
    rendering: Rendering,
    vocabulary: Mapping[str, int],
    styles: Mapping[str, NDArray[np.float32]],
) -> NDArray[np.float32]:
    """The sound [samples] of a rendering. Raises ValueError."""
    tokens = kokoro_phonemes.tokens(rendering.phonemes, vocabulary)
    if not 0 < len(tokens) <= STYLES:
        raise ValueError(f"Kokoro cannot speak {rendering.phonemes!r:.60}: it has {len(tokens)} symbols; "
                         f"choose a text with 1 to {STYLES}.")  # fmt: skip
    style = styles[rendering.voice][len(tokens) - 1]
    if rendering.partner:
        style = (1 - rendering.share) * style + rendering.share * styles[rendering.partner][len(tokens) - 1]
    if rendering.melody:
        own, other = style[MELODY:], styles[rendering.melody][len(tokens) - 1][MELODY:]
        melody = (1 - rendering.melody_share) * own + rendering.melody_share * other
        style = np.concatenate([style[:MELODY], melody])
    inputs = {"tokens": [[0, *tokens, 0]], "style": [style.tolist()], "speed": [rendering.speed]}
    most = MOST_SECONDS + MOST_SECONDS_PER_SYMBOL * len(tokens) / min(1.0, rendering.speed)
    seconds = SPEAK_SECONDS + SPEAK_SECONDS_PER_SYMBOL * len(tokens)
    return running.wave(inputs, rendering.phonemes, seconds, round(most * SAMPLE_RATE))


def _trimmed(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound without the silence around it."""
    loud, margin = np.flatnonzero(np.abs(wave) > QUIET), round(MARGIN_SECONDS * SAMPLE_RATE)
    return wave[max(0, loud[0] - margin) : loud[-1] + margin] if len(loud) else wave


def seconds_per_clip(folder: Path) -> float:
    """Seconds that one process takes for a short phrase, at best. Raises ValueError when it makes no sound, OSError."""
    rendering = Rendering(SAMPLE[0], _names(folder)[0], "", 0.0, SAMPLE[1])
    vocabulary, styles = read_vocabulary(folder), _styles(folder)
    with voice_model.started(folder / MODEL, ADVICE, threads=1, products=True) as running:
        return round(min(_seconds(running, rendering, vocabulary, styles) for _ in range(TIMED)), 2)


def _seconds(
    running: RunningVoice,
    rendering: Rendering,
    vocabulary: Mapping[str, int],
    styles: Mapping[str, NDArray[np.float32]],
) -> float:
    """Processor time, which other work on the machine does not lengthen."""
    before = running.processor_seconds()
    _wave(running, rendering, vocabulary, styles)
    return running.processor_seconds() - before
