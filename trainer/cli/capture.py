"""The command `capture`: long recordings of a room, without the word."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainer.cli.model import DEVICE, model_path
from trainer.cli.terminal import AS_JOB, Session, complain, work_on
from trainer.system.job import Report

if TYPE_CHECKING:
    from trainer.detector.detector import Piece

STANDARD_INPUT = "-"
MINUTES, MOST_MINUTES = 60.0, 7 * 24 * 60.0
KEEP_ABOVE = 0.5
"""Default of --keep-above as a share of the model's threshold."""


@click.command()
@click.argument("model", metavar="[MODEL]", required=False)
@click.option(
    "--minutes",
    type=click.FloatRange(0, MOST_MINUTES, min_open=True),
    help="How long to record; by default 60, and all of --input.",
)
@click.option("--source", default="", help="Name of the recording, such as kitchen; by default the time.")
@DEVICE
@click.option(
    "--input",
    "audio",
    metavar="AUDIO",
    default="",
    help="Take an audio file of any length, or with - raw samples (16 bits, 16 kHz, mono) on standard input.",
)
@click.option(
    "--keep-above",
    type=click.FloatRange(0, 1),
    help="With MODEL: keep what has at least this score, and 3 s around it. By default half the model's threshold.",
)
@click.option(
    "--keep-share",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="With MODEL: share of the rest that is kept at random, in stretches of 30 s.",
)
@click.option(
    "--most-megabytes",
    type=click.FloatRange(0, min_open=True),
    default=1000.0,
    show_default=True,
    help="End when so much is kept.",
)
@click.option("--consume", is_flag=True, hidden=True, help="Remove the file of --input when it is recorded.")
@AS_JOB
@click.pass_obj
def capture(
    session: Session,
    model: str | None,
    minutes: float | None,
    source: str,
    device: str,
    audio: str,
    keep_above: float | None,
    keep_share: float,
    most_megabytes: float,
    consume: bool,
    as_job: bool,
) -> None:
    """Record a room for a long time without the word, as clips of the label `stream`, and scan.

    Pieces of 5 minutes (FLAC, 16 kHz) go to data/raw/stream/SOURCE. Ctrl-C ends the recording and keeps what there is.
    Nothing leaves this machine.

    With MODEL (a run, a model folder or an .onnx file) only what it reacts to is kept and a random share of the rest,
    so a day takes megabytes.
    """
    from trainer.dataset import capture as captures
    from trainer.dataset.scan import scan as scan_clips
    from trainer.dataset.stretches import Rule
    from trainer.detector import detector

    def work(report: Report) -> tuple[dict[str, Any], str]:
        loaded = detector.load(model_path(session.workspace, model)) if model else None
        above = loaded.file.threshold * KEEP_ABOVE if loaded and keep_above is None else keep_above
        rule = None if above is None or loaded is None else Rule(above, keep_share, random.getrandbits(32))
        seconds = 60 * minutes if minutes else (0.0 if audio else 60 * MINUTES)
        request = captures.Request(source, seconds, most_megabytes, rule)
        with closing(_pieces(audio, device, model)) as pieces:
            result = captures.record(session.workspace, request, pieces, report, loaded)
        if consume:
            Path(audio).unlink()
        lines = result.sentences()
        if result.recording.clips:
            with suppress(KeyboardInterrupt):  # what is recorded stays; the next scan finds it
                scan_clips(session.workspace, report)
        if result.error:
            raise ValueError(" ".join(lines))
        return captures.document(result), " ".join(lines) if as_job else "\n".join(lines)

    if not as_job:
        complain("Recording. Press Ctrl-C to end it. Nothing leaves this machine.")
    work_on(session, "capture", as_job, work)


def _pieces(audio: str, device: str, model: str | None) -> Generator[Piece]:
    """The audio to record. Raises ValueError, FileNotFoundError, as it is read."""
    from trainer.audio import audio_reader
    from trainer.detector import microphone

    command = f"python -m trainer capture {'MODEL ' if model else ''}--input -"
    if audio == STANDARD_INPUT:
        yield from microphone.of_standard_input(command)
    elif not audio:
        yield from microphone.read_ahead(microphone.of_device(device, command))
    else:
        try:
            yield from audio_reader.pieces_16k(Path(audio).expanduser())
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no audio file {audio}. Check the path.") from None


VERBS = (capture,)
