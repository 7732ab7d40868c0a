"""Commands about labels: suspects, relabel, quarantine, confirm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from trainer.cli import terminal
from trainer.cli.terminal import Session, show
from trainer.dataset.changes import Change
from trainer.system.display_text import counted
from trainer.system.workspace import LABELS

if TYPE_CHECKING:  # pandas takes a second to import, which other verbs do not have
    from trainer.dataset.clips import Found

CLIPS = click.argument("clips", nargs=-1, required=True, metavar="CLIP...")


@click.command()
@click.pass_obj
def suspects(session: Session) -> None:
    """List the clips whose label the newest training contradicts, the most doubtful first.

    Listen to each, then `relabel`, `quarantine` or `confirm` it.
    """
    from trainer.evaluation import wrong_labels

    found = wrong_labels.find(session.workspace, _scanned(session).clips)
    if found is None:
        show(session, {"run": None, "epochs": 0, "suspects": []}, "No run has scored the clips yet. Train one first.")
        return
    lines = [f"{score.path}: {wrong_labels.sentence(score)}" for score in found.clips]
    told = f"{counted(len(lines), 'clip')} by run {found.run_id}, over {counted(found.epochs, 'epoch')}."
    document = {"run": found.run_id, "epochs": found.epochs, "suspects": [score.model_dump() for score in found.clips]}
    show(session, document, "\n".join([*lines, told]))


@click.command()
@CLIPS
@click.option("--label", required=True, help=f"One of {', '.join(LABELS)}.")
@click.pass_obj
def relabel(session: Session, clips: tuple[str, ...], label: str) -> None:
    """Change the label of each CLIP (a path below data/raw), and scan. It can be undone."""
    from trainer.dataset import repairs

    _check(session, clips)
    _changed(session, repairs.relabel(session.workspace, clips, label))


@click.command()
@CLIPS
@click.pass_obj
def quarantine(session: Session, clips: tuple[str, ...]) -> None:
    """Move each CLIP (a path below data/raw) to the trash, and scan. It can be undone."""
    from trainer.dataset import repairs

    _check(session, clips)
    _changed(session, repairs.delete(session.workspace, clips))


@click.command()
@CLIPS
@click.pass_obj
def confirm(session: Session, clips: tuple[str, ...]) -> None:
    """Confirm the label of each CLIP (a path below data/raw), so that it is no longer listed as a suspect."""
    from trainer.evaluation import wrong_labels

    change = wrong_labels.confirm(session.workspace, _scanned(session).clips, clips)
    show(session, {"change": change.id}, f"{change.title}. Undo it in the list of changes.")


def _scanned(session: Session) -> Found:
    """The clips of the last scan. Raises ValueError when there was none."""
    from trainer.dataset import clips

    found = clips.load(session.workspace)
    if found is None:
        raise ValueError("No clips are known yet. Run `python -m trainer scan` first.")
    return found


def _check(session: Session, clips: tuple[str, ...]) -> None:
    """Raises ValueError for a path that is not a clip of the last scan."""
    from trainer.evaluation import wrong_labels

    wrong_labels.check_known(_scanned(session).clips, clips)


def _changed(session: Session, change: Change) -> None:
    """Scan after a change, and print it."""
    from trainer.dataset.scan import scan as scan_clips

    with terminal.progress() as report:
        scan_clips(session.workspace, report)
    show(session, {"change": change.id}, f"{change.title}. Undo it in the list of changes.")


