"""Hearing with a detector, on all cores: the probabilities of every stream, and the score of every clip."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

import numpy as np

from trainer.audio import audio_file, manifest
from trainer.audio.audio_file import AudioRefused
from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.audio.manifest import Clip
from trainer.audio.sound_levels import Wave
from trainer.detector.detector import Detector, Scores
from trainer.evaluation.evaluations import ClipScore
from trainer.streams.stream_set import StreamSet
from trainer.system import limits
from trainer.system.job import Report
from trainer.system.workspace import Workspace

PIECE_SAMPLES = 1 << 18
Item = TypeVar("Item")
Result = TypeVar("Result")
Beat = Callable[[int], None]
"""Called with the samples that were heard since."""


class _Ended(Exception):
    """The evaluation is over; what a thread was hearing is of no use."""


def _together(
    work: Callable[[Item, Beat], Result], items: Sequence[Item], report: Callable[[float], None]
) -> list[Result]:
    """The results of `work` on each item, on all cores; `report` is told the seconds of audio that are done.

    Threads of which each runs its model on one core: processes cost a sixth more time of the processor, and a model
    spread over two cores three times as much, as its threads wait for each other.
    """
    ended, done = threading.Event(), list[int]()

    def beat(samples: int) -> None:
        if ended.is_set():
            raise _Ended
        done.append(samples)

    with ThreadPoolExecutor(limits.cores()) as pool:
        parts = [pool.submit(work, item, beat) for item in items]
        try:
            while wait(parts, timeout=0.2).not_done:
                report(sum(done) / SAMPLE_RATE)
                for part in parts:
                    if part.done():
                        part.result()  # raises what went wrong in it, and so ends the others
            return [part.result() for part in parts]
        finally:
            ended.set()
            pool.shutdown(cancel_futures=True)


def _hear(detector: Detector, path: Path, beat: Beat) -> Scores | AudioRefused:
    """Probabilities [n] of a recording, one each hop, or why there are none."""
    stream, found = detector.stream(), [np.empty(0, np.float32)]
    try:
        for piece in audio_file.pieces_16k(path):
            for first in range(0, len(piece), PIECE_SAMPLES):
                found.append(stream.push(piece[first : first + PIECE_SAMPLES]))
            beat(len(piece))
    except FileNotFoundError:
        return AudioRefused("missing", "It is gone.")
    except AudioRefused as error:
        return error
    return np.concatenate(found)


def hear(detector: Detector, streams: StreamSet, report: Report) -> tuple[StreamSet, dict[str, Scores]]:
    """Probabilities of the streams by name. Recordings that turn out to be damaged are left out, and noted.

    `report` is told seconds of audio. Raises ValueError when a stream that was composed is damaged.
    """
    longest_first = sorted(streams.recordings, key=lambda each: -each.seconds)
    found = _together(
        lambda each, beat: _hear(detector, streams.path_of(each), beat),
        longest_first,
        lambda seconds: report(int(seconds), int(streams.seconds), "Hearing streams, in seconds of audio"),
    )
    tracks, refused = dict[str, Scores](), dict[str, str]()
    for recording, heard in zip(longest_first, found, strict=True):
        if isinstance(heard, np.ndarray):
            tracks[recording.name] = heard
        elif Path(recording.path).is_absolute():
            refused[recording.name] = f"{recording.name}: {heard}"
        else:
            raise ValueError(f"{streams.path_of(recording)} is damaged. Remove {streams.folder}; it is made again.")
    return streams.without(refused) if refused else streams, tracks


def score_of_clip(detector: Detector, wave: Wave) -> float:
    """Highest probability of the windows that end in a clip [samples] at 16 kHz or in a window of silence after it."""
    return float(detector.stream().push(np.pad(wave, (0, detector.window_samples))).max())


def score_clips(detector: Detector, workspace: Workspace, clips: Sequence[Clip], report: Report) -> list[ClipScore]:
    """Scores of clips. Raises ValueError when one cannot be read."""

    def score(clip: Clip, beat: Beat) -> ClipScore:
        try:
            wave = audio_file.read_16k(workspace.raw / clip.path)
        except (AudioRefused, FileNotFoundError) as error:
            raise ValueError(f"Clip {clip.path} cannot be read: {error} {manifest.AGAIN}") from None
        found = ClipScore(path=clip.path, label=clip.label, score=score_of_clip(detector, wave))
        beat(len(wave))
        return found

    total = sum(clip.seconds for clip in clips)
    return _together(
        score,
        clips,
        lambda seconds: report(int(seconds), int(total), "Hearing clips, in seconds of audio"),
    )
