"""Commands about configurations: presets, validate, difference, probe."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from trainer.cli import terminal
from trainer.cli.terminal import AS_JOB, Session, show, work_on
from trainer.config import config_file, option_list
from trainer.config.config_file import ConfigError
from trainer.estimates import requirements
from trainer.estimates.requirements import Estimate
from trainer.run import earlier_run, preflight, probe
from trainer.system.job import Report


@click.command()
@click.pass_obj
def presets(session: Session) -> None:
    """List the presets and what each is for."""
    texts = {name: config_file.situation(name) for name in config_file.presets()}
    document = [{"name": name, "situation": text} for name, text in texts.items()]
    show(session, document, "\n".join(f"{name:15} {text}" for name, text in texts.items()))


@click.command()
@click.argument("config", metavar="CONFIG")
@click.pass_obj
def validate(session: Session, config: str) -> None:
    """Check CONFIG (a YAML file, a saved configuration or a preset): problems, warnings and estimated resources."""
    path = config_file.find(session.workspace, config)
    try:
        loaded = config_file.load(path)
        if sentence := earlier_run.problem(session.workspace, loaded):
            raise ConfigError([config_file.problem_of(sentence)])
    except ConfigError as error:
        problems = [asdict(problem) for problem in error.problems]
        show(session, {"problems": problems, "warnings": [], "estimates": {}}, "")
        terminal.complain("\n".join(map(str, error.problems)))
        raise click.exceptions.Exit(2) from None
    here = requirements.machine(session.workspace)
    estimate = requirements.estimate(loaded, requirements.clip_bytes(session.workspace))
    warnings = [*map(str, requirements.warnings(loaded, here)), *preflight.warnings(session.workspace, loaded)]
    document = {"problems": [], "warnings": warnings, "estimates": asdict(estimate), "machine": asdict(here)}
    lines = ["No problems.", *(f"Warning: {warning}" for warning in warnings), *_estimate_lines(estimate)]
    show(session, document, "\n".join([*lines, requirements.fitting_sentence(loaded, here)]))


def _estimate_lines(estimate: Estimate) -> list[str]:
    memory, gpu = estimate.memory_bytes / 1e9, estimate.gpu_memory_bytes / 1e9
    return [
        f"Parameters: {estimate.parameters:,}",
        f"Multiply-adds per window: {estimate.multiply_adds:,}",
        f"Memory (estimate): {memory:.1f} GB, or {gpu:.1f} GB on a GPU",
        f"Disk (estimate): {estimate.disk_bytes / 1e6:,.1f} MB",
    ]


@click.command()
@click.argument("first", metavar="CONFIG")
@click.argument("second", metavar="CONFIG")
@click.pass_obj
def difference(session: Session, first: str, second: str) -> None:
    """List the options that differ between two configurations (YAML files, saved configurations or presets)."""
    left, right = (
        option_list.values(config_file.load(config_file.find(session.workspace, name))) for name in (first, second)
    )
    keys = option_list.differing([left, right])
    rows = [("", first[:12], second[:12])]
    rows += [(key, option_list.shown(left[key]), option_list.shown(right[key])) for key in keys]
    text = "\n".join(f"{key:35} {value:>12} {other:>12}" for key, value, other in rows)
    document = [{"option": key, "first": left[key], "second": right[key]} for key in keys]
    show(session, document, text if keys else "The configurations are equal.")


@click.command(name="probe")
@click.argument("config", metavar="CONFIG")
@AS_JOB
@click.pass_obj
def probe_verb(session: Session, config: str, as_job: bool) -> None:
    """Measure how long training CONFIG would take on this machine, without creating a run."""

    def work(report: Report) -> tuple[dict[str, Any], str]:
        report(0, 0, "Starting")
        measured = probe.measure(session.workspace, config_file.find(session.workspace, config), report)
        return measured.model_dump(), probe.sentence(measured)

    work_on(session, "probe", as_job, work)


VERBS = (presets, validate, difference, probe_verb)
