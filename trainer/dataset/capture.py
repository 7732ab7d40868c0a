"""Records a room for a long time, as clips of five minutes with the label `stream`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.audio.audio_formats import SAMPLE_RATE
from trainer.dataset import changes, file_names, importing, room_recordings, stretches
from trainer.dataset.room_recordings import Recording
from trainer.dataset.split_assignment import SELECTED
from trainer.dataset.stretches import CELL_SECONDS, Cell, Rule
from trainer.system import durable
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.log_lines import clock_time
from trainer.system.workspace import STREAM, Workspace

if TYPE_CHECKING:
    from trainer.detector.detector import Detector, Piece

PIECE_SECONDS = 300.0
SILENT_DB = -70.0
"""Peak below which a whole recording is reported as silent."""
METER_STEPS, METER_DB = 10, 60.0
"""The level meter shows levels from so far below full scale."""
WITHOUT_WORD = "It counts as audio without the word: if you said the word during this time, delete that piece."


@dataclass(frozen=True)
class Request:
    """What to record: `seconds` 0 is until the audio ends; an empty `source` is named after the time."""

    source: str = ""
    seconds: float = 3600.0
    most_megabytes: float = 1000.0
    rule: Rule | None = None
    """What a model chooses; None: everything is kept."""


@dataclass(frozen=True)
class Result:
    """A recording that has ended; `early` says why it ended before its time, `error` whether by a failure."""

    recording: Recording
    peak_db: float
    early: str = ""
    error: bool = False

    def sentences(self) -> list[str]:
        """What was kept and where, what it counts as, and what was wrong."""
        recording, heard = self.recording, duration(self.recording.heard_seconds)
        lines = [self.early] if self.early else []
        if not recording.clips:
            return [*lines, f"Recorded {heard} and kept nothing."]
        size = f"{counted(len(recording.clips), 'clip')}, {recording.megabytes:.1f} MB"
        place = f"data/raw/{STREAM}/{recording.source}"
        lines += [f"Recorded {heard} and kept {duration(recording.kept_seconds)} in {place} ({size}).", WITHOUT_WORD]
        if self.peak_db < SILENT_DB:
            lines.append("All of it is silent: check that the right microphone is connected and not muted.")
        if recording.model:
            lines.append("A model chose these pieces, so they are for training: false alarms are not counted in them.")
        return lines


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


@dataclass
class _Recorder:
    """The state of a recording while it runs."""

    workspace: Workspace
    recording: Recording
    report: Report
    heard_seconds: float = 0.0
    peak: float = 0.0
    """The highest sample so far, 1 is full scale."""
    spool: Path | None = None
    spooled: int = 0
    """Bytes in the spool."""
    descriptor: int = -1

    def listen(self, audio: Iterable[Cell], seconds: float) -> Iterator[Cell]:
        """The cells until their time is over (0: all), with a report of each."""
        for cell in audio:
            peak = float(np.abs(cell.samples.astype(np.float32)).max()) / 32768
            self.peak = max(self.peak, peak)
            self.heard_seconds += cell.seconds
            left = f", {clock_time(seconds - self.heard_seconds)} left" if seconds else ""
            kept = self.recording.kept_seconds + self.spooled / 2 / SAMPLE_RATE
            text = f"{meter(peak)}, {duration(kept)} kept ({self.megabytes:.1f} MB){left}"
            self.report(round(self.heard_seconds), round(seconds), text)
            yield cell
            if seconds and self.heard_seconds >= seconds:
                return

    @property
    def megabytes(self) -> float:
        return self.recording.megabytes + self.spooled / 1e6

    def keep(self, cell: Cell) -> None:
        """Append a cell to the spool. Raises OSError."""
        if self.spool is None:
            self.spool = room_recordings.spool_file(self.workspace, self.recording, cell.number * CELL_SECONDS)
            self.descriptor = os.open(self.spool, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        data = cell.samples.astype("<i2").tobytes()
        with durable.naming(self.spool):
            durable.write_all(self.descriptor, data)
        self.spooled += len(data)
        if self.spooled >= 2 * SAMPLE_RATE * PIECE_SECONDS:
            self.finish()

    def finish(self) -> None:
        """Make a clip of the spool, if there is one. Raises OSError; then the spool stays for the next scan."""
        if self.spool is None:
            return
        descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)
        spool, self.spool, self.spooled = self.spool, None, 0
        recording = self.recording.model_copy(update={"heard_seconds": self.heard_seconds})
        self.recording = room_recordings.make_clip(self.workspace, recording, spool)


def meter(peak: float) -> str:
    """A level meter of a peak, 1 is full scale."""
    level = 20 * float(np.log10(max(peak, 1e-5)))
    filled = round(METER_STEPS * min(1.0, max(0.0, 1 + level / METER_DB)))
    return f"{'█' * filled}{'░' * (METER_STEPS - filled)} {round(level)} dB"


def record(
    workspace: Workspace, request: Request, pieces: Iterable[Piece], report: Report, detector: Detector | None = None
) -> Result:
    """Record audio at 16 kHz until its time is over, the audio ends, a limit is reached or Ctrl-C is pressed.

    Raises ValueError or OSError when nothing could be recorded; an error later on ends the recording.
    """
    source = file_names.safe_part(request.source)
    if request.source and not source:
        raise ValueError(f"The source {request.source!r:.40} is not usable as a name; choose letters and digits.")
    _check_space(workspace, request)
    with room_recordings.alone(workspace):
        room_recordings.make_clips(workspace)
        recorder = _Recorder(workspace, _new(workspace, source, detector), report)
        early, failure = "", None
        try:
            early = _record(recorder, request, pieces, detector)
        except KeyboardInterrupt:
            early = f"Stopped after {duration(recorder.heard_seconds)}."
        except (OSError, ValueError) as error:
            failure = error
            early = f"The recording ended after {duration(recorder.heard_seconds)}: {_sentence(error)}"
        try:
            recording = _end(recorder)
        except KeyboardInterrupt:  # Stop was clicked twice
            recording = _end(recorder)
    if failure and not recording.clips:
        raise failure
    peak_db = 20 * float(np.log10(max(recorder.peak, 1e-5)))
    return Result(recording, peak_db, early, error=failure is not None)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}."
    return str(error)


def _record(recorder: _Recorder, request: Request, pieces: Iterable[Piece], detector: Detector | None) -> str:
    """Record; returns why it ended early, as a sentence, or nothing."""
    audio = recorder.listen(stretches.cells(pieces), request.seconds)
    if detector:
        audio = stretches.scored(audio, detector)
    for cell, kept in stretches.choose(audio, request.rule):
        if kept:
            recorder.keep(cell)
        else:
            recorder.finish()
        if recorder.megabytes >= request.most_megabytes:
            return f"The limit of {request.most_megabytes:g} MB was reached."
        if _free(recorder.workspace) < importing.SPARE_BYTES:
            return "The disk is nearly full."
    return ""


def _end(recorder: _Recorder) -> Recording:
    """Make a clip of the last piece, wherever the recording was interrupted. Raises OSError."""
    workspace, recording = recorder.workspace, recorder.recording
    if recorder.descriptor >= 0:
        descriptor, recorder.descriptor = recorder.descriptor, -1
        os.close(descriptor)
    recording = room_recordings.read(workspace, recording.id) or recording
    room_recordings.write(workspace, recording.model_copy(update={"heard_seconds": recorder.heard_seconds}))
    room_recordings.make_clips(workspace)
    recording = room_recordings.read(workspace, recording.id) or recording
    if not recording.clips:
        room_recordings.remove(workspace, recording)
    return recording


def _new(workspace: Workspace, source: str, detector: Detector | None) -> Recording:
    begun = datetime.now().astimezone()
    word = detector.file.label if detector else ""
    name = f"{SELECTED if detector else ''}{source or f'room-{begun:%Y%m%d-%H%M}'}"
    recording = Recording(id=changes.new_id(), source=name, created=f"{begun:%Y-%m-%d %H:%M}", model=word)
    room_recordings.write(workspace, recording)
    return recording


def _free(workspace: Workspace) -> int:
    """Free disk space in bytes."""
    return shutil.disk_usage(workspace.root).free


def _check_space(workspace: Workspace, request: Request) -> None:
    """Raises ValueError when the disk cannot hold what a recording may need."""
    audio = 2 * SAMPLE_RATE * request.seconds if request.rule is None else 0
    need, free = min(audio, 1e6 * request.most_megabytes) + importing.SPARE_BYTES, _free(workspace)
    if free < need:
        raise ValueError(
            f"The recording may need {need / 1e9:.1f} GB, with {importing.SPARE_BYTES / 1e9:.1f} GB to spare, and the "
            f"disk has {free / 1e9:.1f} GB free. Free some space, or record less."
        )


def document(result: Result) -> dict[str, Any]:
    """The result of a recording as a JSON document."""
    recording = result.recording
    return {
        "source": recording.source,
        "change": recording.id if recording.clips else None,
        "heard_seconds": recording.heard_seconds,
        "kept_seconds": recording.kept_seconds,
        "megabytes": recording.megabytes,
        "peak_db": result.peak_db,
        "clips": [clip.model_dump() for clip in recording.clips],
        "ended_early": result.early,
    }
