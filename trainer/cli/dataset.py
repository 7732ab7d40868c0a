"""Commands about clips and their labels, from `demo` and `scan` to `relabel` and `confirm`.

Pages run the long ones as jobs. Imports are local to the commands, as pandas and scipy take a second to import.
"""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainer.cli import terminal
from trainer.cli.terminal import AS_JOB, Session, Work, show, work_on, work_on_each
from trainer.dataset.changes import Change
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import LABELS, Workspace

if TYPE_CHECKING:
    from trainer.dataset.clips import ScannedClips

CLIPS = click.argument("clips", nargs=-1, required=True, metavar="CLIP...")
RATIOS = click.option("--ratios", default="70/15/15", show_default=True, help="Train, validation and test in percent.")
SEED = click.option("--seed", default=0, show_default=True, help="Seed of the random numbers.")


@click.command()
@click.option("--phrase", default="hey atlas", show_default=True, help="The wake word or phrase.")
@click.option("--positives", default=600, show_default=True, help="Clips of the phrase; each adds three other clips.")
@RATIOS
@SEED
@AS_JOB
@click.pass_obj
def demo(session: Session, phrase: str, positives: int, ratios: str, seed: int, as_job: bool) -> None:
    """Create a synthetic demo data set, scan it and split it."""
    from trainer.dataset import clips, splits
    from trainer.dataset.scan import scan as scan_clips
    from trainer.dataset.split_assignment import parse_ratios
    from trainer.synthesis import demo_data

    def work(report: Report) -> tuple[dict[str, Any], str]:
        parsed = parse_ratios(ratios)
        made = demo_data.make(session.workspace, phrase, positives, seed, report)
        scanned = clips.of_table(session.workspace, scan_clips(session.workspace, report))
        parts = splits.split_dataset(session.workspace, parsed, seed, scratch=True)
        document = {"phrase": phrase, **_summary(session.workspace, scanned), "split": parts}
        document |= {"stream_seconds": made.stream_seconds}
        minutes = f"Evaluations also hear {made.stream_seconds / 60:,.0f} minutes of synthetic speech without it."
        return document, f"Made {len(scanned):,} clips for “{phrase}”, scanned and split. {minutes}"

    work_on(session, "demo", as_job, work)


def _summary(workspace: Workspace, scanned: ScannedClips) -> dict[str, Any]:
    from trainer.dataset import clips
    from trainer.evaluation import wrong_labels

    return clips.summary(workspace, scanned, wrong_labels.health(workspace, scanned.clips))


@click.command()
@AS_JOB
@click.pass_obj
def scan(session: Session, as_job: bool) -> None:
    """Find, check and count the clips in data/raw."""
    from trainer.dataset import clips
    from trainer.dataset.scan import scan as scan_clips

    def work(report: Report) -> tuple[dict[str, Any], str]:
        scanned = clips.of_table(session.workspace, scan_clips(session.workspace, report))
        summary = _summary(session.workspace, scanned)
        return summary, terminal.scan_line(summary) if as_job else terminal.scan_text(summary)

    work_on(session, "scan", as_job, work)


@click.command(name="split")
@RATIOS
@SEED
@click.option("--from-scratch", is_flag=True, help="Split all clips again, not only new ones.")
@AS_JOB
@click.pass_obj
def split_verb(session: Session, ratios: str, seed: int, from_scratch: bool, as_job: bool) -> None:
    """Split the clips into train, val and test; no speaker or recording is in two splits.

    Clips stay in their split unless the ratios or the seed change.
    """
    from trainer.dataset import splits
    from trainer.dataset.split_assignment import parse_ratios

    def work(report: Report) -> tuple[dict[str, Any], str]:
        parts = splits.split_dataset(session.workspace, parse_ratios(ratios), seed, from_scratch)
        if as_job:
            return parts, splits.sentence(parts)
        warnings = splits.warnings(parts)
        return parts | {"warnings": warnings}, terminal.split_text(parts, warnings)

    work_on(session, "split", as_job, work)


@click.command(name="import")
@click.argument("sources", metavar="FOLDER_OR_ZIP...", nargs=-1, required=True)
@click.option("--label", default="", help="Label of the clips; by default from folders named after labels.")
@click.option("--speaker", default="", help="Speaker of all clips.")
@click.option("--link", is_flag=True, help="Create hard links instead of copies; same disk only.")
@click.option("--names", "encoding", default="", help="Encoding of file names in zips that give none, such as cp932.")
@click.option("--title", "titles", multiple=True, hidden=True, help="Name of each uploaded zip on the page.")
@click.option("--consume", is_flag=True, hidden=True, help="Remove the uploaded zips afterwards.")
@AS_JOB
@click.pass_obj
def import_verb(
    session: Session,
    sources: tuple[str, ...],
    label: str,
    speaker: str,
    link: bool,
    encoding: str,
    titles: tuple[str, ...],
    consume: bool,
    as_job: bool,
) -> None:
    """Import the audio files of folders and zip files into data/raw, and scan.

    If a source cannot be imported, it is reported, the others are imported, and the exit code is 2.
    """
    from trainer.dataset import importing, zip_names
    from trainer.dataset.scan import scan as scan_clips

    zip_names.check_encoding(encoding)
    mode: importing.Mode = "link" if link else "copy"

    def work(source: str, title: str, report: Report) -> tuple[dict[str, Any], str]:
        path = Path(source).expanduser()
        if path.is_file():
            try:
                imported = importing.import_zip(session.workspace, path, label, report, title, speaker, encoding)
            finally:
                if consume:
                    path.unlink()
        else:
            folder = importing.check_folder(source)
            imported = importing.import_folder(session.workspace, folder, label, mode, report, speaker)
        return importing.document(imported), imported.sentence()

    titled = zip_longest(sources, titles[: len(sources)], fillvalue="")
    items: list[tuple[str, Work]] = [(title or source, partial(work, source, title)) for source, title in titled]
    work_on_each(session, "import", as_job, items, after=lambda report: scan_clips(session.workspace, report))


@click.command()
@click.argument("finding", metavar="FINDING")
@AS_JOB
@click.pass_obj
def mend(session: Session, finding: str, as_job: bool) -> None:
    """Fix FINDING (its code in `scan --json`) in its clips, and scan.

    `refused` quarantines all refused files.
    """
    from trainer.dataset import findings, repairs
    from trainer.dataset.scan import scan as scan_clips
    from trainer.synthesis import recipes
    from trainer.synthesis.recipes import Recipe

    def work(report: Report) -> tuple[dict[str, Any], str]:
        if finding in findings.GENERATED:
            label, count = findings.GENERATED[finding]
            change = recipes.synthesise(session.workspace, Recipe("", counts={label: count}), report).change
        else:
            change = repairs.mend(session.workspace, finding, report)
        scan_clips(session.workspace, report)
        return {"change": change.id}, f"{change.title}. Undo it in the list of changes."

    work_on(session, "mend", as_job, work)


@click.command()
@click.argument("change", metavar="CHANGE")
@click.pass_obj
def undo(session: Session, change: str) -> None:
    """Undo CHANGE of the clips (its id, which `import` and `mend` print with --json)."""
    from trainer.dataset import changes

    undone, left = changes.undo(session.workspace, change)
    text = f"{undone.title}." + (f" {counted(left, 'file')} could not be moved back." if left else "")
    show(session, {"change": undone.id, "not_moved": left}, text)


@click.command()
@click.option("--phrase", default="", help="The phrase of the positive clips.")
@click.option("--language", default="en", show_default=True, help="Language code, such as de.")
@click.option("--voices", default=66, show_default=True, help="Number of voices.")
@click.option("--piper", default="", help="Use this Piper voice (NAME.onnx) or folder of voices.")
@click.option(
    "--engine", "engines", multiple=True, help="Let only these engines speak, such as kokoro; by default all installed."
)
@click.option(
    "--pronunciation", "pronunciations", multiple=True, help="Speak the phrase so, in IPA; by default chosen for you."
)
@click.option("--positives", default=0, help="Number of positive clips.")
@click.option("--hard-negatives", default=0, help="Number of clips of look-alikes.")
@click.option(
    "--look-alike", "look_alikes", multiple=True, help="A similar phrase for hard negatives; by default chosen for you."
)
@click.option("--negatives", default=0, help="Number of clips of other words and sentences.")
@click.option("--background", default=0, help="Number of noise clips.")
@click.option("--rirs", default=0, help="Number of room impulse responses.")
@click.option("--hours", default=0.0, help="Hours of fluent English speech without the phrase, as long recordings.")
@SEED
@AS_JOB
@click.pass_obj
def synthesise(
    session: Session,
    phrase: str,
    language: str,
    voices: int,
    piper: str,
    engines: tuple[str, ...],
    pronunciations: tuple[str, ...],
    positives: int,
    hard_negatives: int,
    look_alikes: tuple[str, ...],
    negatives: int,
    background: int,
    rirs: int,
    hours: float,
    seed: int,
    as_job: bool,
) -> None:
    """Add synthetic speech, noise and room impulse responses to data/raw, and scan. It can be undone."""
    from trainer.dataset.scan import scan as scan_clips
    from trainer.synthesis import recipes
    from trainer.synthesis.recipes import Recipe

    def work(report: Report) -> tuple[dict[str, Any], str]:
        counts = {
            "positive": positives,
            "hard_negative": hard_negatives,
            "negative": negatives,
            "background": background,
            "rirs": rirs,
        }
        recipe = Recipe(
            phrase,
            language,
            voices,
            seed,
            counts,
            look_alikes,
            piper,
            hours=hours,
            engines=engines,
            pronunciations=pronunciations,
            is_varied=True,
        )
        imported = recipes.synthesise(session.workspace, recipe, report)
        scan_clips(session.workspace, report)
        return {"change": imported.change.id, "imported": imported.counts}, imported.sentence()

    work_on(session, "synthesise", as_job, work)


@click.command()
@click.argument("config", metavar="CONFIG")
@click.argument("clip", metavar="CLIP")
@AS_JOB
@click.pass_obj
def preview(session: Session, config: str, clip: str, as_job: bool) -> None:
    """Write ten augmented versions of CLIP (a path in data/raw) to data/preview, as in training with CONFIG."""
    from trainer.config import config_file
    from trainer.dataset import previews

    def work(report: Report) -> tuple[dict[str, Any], str]:
        report(0, 0, "Augmenting the clip")
        path = config_file.find(session.workspace, config)
        folder = previews.make(session.workspace, path, clip)
        return {"folder": str(folder)}, f"Ten augmented versions of {clip}, as in training with {path.stem}."

    work_on(session, "preview", as_job, work)


@click.command()
@click.pass_obj
def suspects(session: Session) -> None:
    """List the clips whose label the newest training contradicts, most doubtful first.

    Listen to each, then `relabel`, `quarantine` or `confirm` it.
    """
    from trainer.evaluation import wrong_labels

    suspected = wrong_labels.find(session.workspace, _scanned(session).clips)
    if suspected is None:
        show(session, {"run": None, "epochs": 0, "suspects": []}, "No run has scored the clips yet. Train one first.")
        return
    run_id, epochs, scores = suspected.run_id, suspected.epochs, suspected.clips
    lines = [f"{score.path}: {wrong_labels.sentence(score)}" for score in scores]
    lines.append(f"{counted(len(scores), 'clip')} by run {run_id}, over {counted(epochs, 'epoch')}.")
    document = {"run": run_id, "epochs": epochs, "suspects": [score.model_dump() for score in scores]}
    show(session, document, "\n".join(lines))


@click.command()
@CLIPS
@click.option("--label", required=True, help=f"One of {', '.join(LABELS)}.")
@click.pass_obj
def relabel(session: Session, clips: tuple[str, ...], label: str) -> None:
    """Change the label of each CLIP (a path in data/raw), and scan. It can be undone."""
    from trainer.dataset import repairs

    _check(session, clips)
    _changed(session, repairs.relabel(session.workspace, clips, label))


@click.command()
@CLIPS
@click.pass_obj
def quarantine(session: Session, clips: tuple[str, ...]) -> None:
    """Move each CLIP (a path in data/raw) to the trash, and scan. It can be undone."""
    from trainer.dataset import repairs

    _check(session, clips)
    _changed(session, repairs.delete(session.workspace, clips))


@click.command()
@CLIPS
@click.pass_obj
def confirm(session: Session, clips: tuple[str, ...]) -> None:
    """Confirm the label of each CLIP (a path in data/raw), so that it is no longer listed as a suspect."""
    from trainer.evaluation import wrong_labels

    change = wrong_labels.confirm(session.workspace, _scanned(session).clips, clips)
    show(session, {"change": change.id}, f"{change.title}. Undo it in the list of changes.")


def _scanned(session: Session) -> ScannedClips:
    """The clips of the last scan. Raises ValueError without one."""
    from trainer.dataset import clips

    scanned = clips.load(session.workspace)
    if scanned is None:
        raise ValueError("The clips have not been scanned yet. Run `python -m trainer scan` first.")
    return scanned


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


VERBS = (demo, synthesise, scan, split_verb, import_verb, mend, undo, preview, suspects, relabel, quarantine, confirm)
