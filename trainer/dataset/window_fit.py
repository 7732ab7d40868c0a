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
"""Clips with more speech than this hold more than the phrase (dataset.findings) and do not affect the proposal."""
SHARE = 0.02
"""A smaller share of positives that do not fit are outliers, which the Health view reports."""
_SILENT_DB = -50.0


def speech_of(clips: pd.DataFrame) -> list[float]:
    """Seconds from the first to the last sound in each positive of dataset.clips.ScannedClips.clips."""
    audible = clips[(clips["label"] == "positive") & (clips["peak_db"] >= _SILENT_DB)]
    speech: list[float] = (audible["seconds"] - audible["lead_seconds"] - audible["tail_seconds"]).tolist()
    return speech


def speech_seconds(workspace: Workspace) -> list[float]:
    """`speech_of` the clips of the last scan; empty without one."""
    from trainer.dataset import clips  # imports pandas, which takes a second

    scanned = clips.load(workspace)
    return speech_of(scanned.clips) if scanned else []


def problem(config: Config, speech: Sequence[float]) -> Problem | None:
    """The positives that are longer than the window, and the value that fits; None when nearly all fit."""
    window, margin = config.data.window_seconds, config.data.word_margin_ms / 1000
    over = [seconds for seconds in speech if seconds + margin > window]
    if len(over) <= SHARE * len(speech):
        return None
    sentence = (
        f"{len(over):,} of {len(speech):,} positives contain more speech than fits into the window of "
        f"{window:g} s (up to {max(over):.1f} s), so the model never receives the whole phrase."
    )
    return Problem("data.window_seconds", f"{sentence} {_remedy(config, speech)}")


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
