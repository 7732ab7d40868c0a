"""The verb of the command line about evaluations: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trainer.cli.terminal import AS_JOB, Session, complain, work_on
from trainer.cli.training import RUN
from trainer.run import run_models, runs
from trainer.system.job import Report


@click.command()
@RUN
@click.option(
    "--stream", "streams", metavar="PATH", multiple=True, type=click.Path(path_type=Path),
    help="A long recording or a folder of them (hours, any format that is read): without the word, unless beside "
    "NAME.wav lies NAME.txt or NAME.wav.txt, a label track of Audacity that says where it is. Without this option "
    "data/streams/false_accepts is heard, where it exists.",
)  # fmt: skip
@click.option("--no-composed", is_flag=True, help="Hear no streams composed of the test split.")
@click.option(
    "--snr", "snrs", multiple=True, type=float, default=(10.0, 5.0), show_default=True,
    help="Also hear the words in noise, this many dB below them (-20 to 60).",
)  # fmt: skip
@click.option("--checkpoint", default="best", show_default=True, help="Or last, or the name of one that is kept.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same streams.")
@click.option(
    "--budget", type=click.FloatRange(0, 1000, min_open=True), default=0.5, show_default=True,
    help="False accepts per hour that may be: tells the threshold for it and what it costs.",
)  # fmt: skip
@AS_JOB
@click.pass_obj
def evaluate(
    session: Session, run: str, streams: tuple[Path, ...], no_composed: bool, snrs: tuple[float, ...],
    checkpoint: str, seed: int, budget: float, as_job: bool,
) -> None:  # fmt: skip
    """Hear streams with the model of RUN: words missed against false accepts per hour.

    The streams are composed of the test split, quiet, in noise and in rooms, and joined by long recordings. One that
    cannot be heard is told, the others are heard, and the exit code is 2. RUN is an id, an unambiguous start of one,
    or `latest`.
    """
    from trainer.evaluation import assessment, evaluations, operating_point, summary
    from trainer.streams import recordings
    from trainer.streams.composition import Options, ratios

    left_out = list[str]()

    def work(report: Report) -> tuple[dict[str, Any], str]:
        found = runs.find(session.workspace, run)
        options = None if no_composed else Options(snrs_db=ratios(snrs), seed=seed)
        wanted = assessment.Wanted(options, streams or recordings.default(session.workspace), checkpoint)
        made = assessment.evaluate(session.workspace, found, wanted, report)
        folder = evaluations.folder_of(found, made.id)
        left_out.extend(summary.left_out(folder))
        if as_job:
            return {}, " ".join([f"Run {found.id}: {summary.sentence(made, budget)}", *summary.notes(folder)])
        model = run_models.model_with(found, made.model_sha256)
        point = operating_point.of_model(found, model[0]) if model else None
        return summary.document(folder, made, budget, point), summary.text(folder, made, budget, point)

    work_on(session, "evaluate", as_job, work)
    if left_out and not as_job:
        complain("\n".join(left_out))
        raise click.exceptions.Exit(2)


VERBS = (evaluate,)
