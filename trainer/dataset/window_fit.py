"""Whether the window of a configuration is long enough for the phrase in the scanned positives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.config.config_file import Problem
from trainer.config.schema import EMBEDDING_WINDOW_SECONDS, Config, Data
from trainer.system.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

LONGEST_PHRASE_SECONDS = 4.0
"""More speech than this is more than a phrase (dataset.findings); the window is not proposed by it."""
SHARE = 0.02
"""Fewer positives than this that do not fit are outliers, which the health of the data set tells."""
_SILENT_DB = -50.0


def speech_of(clips: pd.DataFrame) -> list[float]:
    """Seconds from the first to the last sound in each positive of dataset.clips.ScannedClips.clips."""
    heard = clips[(clips["label"] == "positive") & (clips["peak_db"] >= _SILENT_DB)]
    speech: list[float] = (heard["seconds"] - heard["lead_seconds"] - heard["tail_seconds"]).tolist()
    return speech


def speech_seconds(workspace: Workspace) -> list[float]:
    """The same of the last scan; empty without one."""
    from trainer.dataset import clips  # its pandas takes a second that other verbs need not wait

    found = clips.load(workspace)
    return speech_of(found.clips) if found else []


def problem(config: Config, speech: Sequence[float]) -> Problem | None:
    """How many positives are longer than the window, and the option with the value that fits; None when they fit."""
    window, margin = config.data.window_seconds, config.data.word_margin_ms / 1000
    over = [seconds for seconds in speech if seconds + margin > window]
    if len(over) <= SHARE * len(speech):
        return None
    told = (
        f"{len(over):,} of {len(speech):,} positives contain more speech than fits into the window of "
        f"{window:g} s (up to {max(over):.1f} s), so the model never receives the whole phrase."
    )
    return Problem("data.window_seconds", f"{told} {_remedy(config, speech)}")


def _remedy(config: Config, speech: Sequence[float]) -> str:
    longest = next(limit.le for limit in Data.model_fields["window_seconds"].metadata if hasattr(limit, "le"))
    phrases = [seconds for seconds in speech if seconds <= LONGEST_PHRASE_SECONDS]
    after = (config.data.word_margin_ms + config.augmentation.shift_ms) / 1000
    fitting = min(longest, math.ceil(10 * (max(phrases, default=longest) + after)) / 10)
    if fitting <= config.data.window_seconds:
        return (
            f"No window is long enough ({longest:g} s is the maximum): "
            "trim the clips to the phrase, or choose a shorter phrase."
        )
    if config.features.kind == "speech_embedding":
        return (
            f"The speech embedding uses a window of {EMBEDDING_WINDOW_SECONDS:g} s: set features.kind to log_mel and "
            f"data.window_seconds to {fitting:g}."
        )
    return f"Set data.window_seconds to {fitting:g}."
