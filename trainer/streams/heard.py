"""What a detector heard in one stream: its smoothed probabilities beside the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.detector.stream_scores import Track
from trainer.streams.stream_set import Recording


@dataclass(frozen=True)
class Heard:
    """The smoothed probabilities [n] of a stream, the k-th of the window that ends after k+1 hops."""

    recording: Recording
    probability: NDArray[np.float64]
    hop_seconds: float
    refractory_seconds: float

    @property
    def track(self) -> Track:
        words = np.array([(word.start, word.end) for word in self.recording.words]).reshape(-1, 2)
        return Track(self.probability, words, self.hop_seconds, self.refractory_seconds)
