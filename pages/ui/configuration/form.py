"""The form of all options, drawn from their declarations, with notes beside the fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import streamlit as st

from pages.ui.configuration.draft import Draft
from pages.ui.shared import run_picker, statuses
from pages.ui.shared.frame import plain
from pages.ui.shared.tables import option_label
from trainer.config import config_file, option_list
from trainer.config.config_file import Problem
from trainer.config.option_list import Option, Value, Values, group_title, options
from trainer.config.schema import LATEST, Config
from trainer.run import runs
from trainer.system.workspace import Workspace

FILLED = "option_fields_filled"
"""Key of the number of times that the fields were filled in this tab."""


Sentences = Mapping[str, Sequence[str]]
"""Sentences by `group.name`."""


@dataclass(frozen=True)
class Notes:
    """Notes beside the fields. `preset` names the values to compare with, empty for the defaults; `choices` are the
    values of a text option with the label of each."""

    problems: Sentences
    warnings: Sentences
    preset: str
    preset_values: Values
    choices: Mapping[str, Mapping[str, str]]


def notes(workspace: Workspace, edited: Draft, problems: Sequence[Problem], warnings: Sequence[Problem]) -> Notes:
    """The notes beside the fields of a draft, with the problems and warnings of its check."""
    known = edited.preset in config_file.presets()
    compared = config_file.preset(edited.preset) if known else Config()
    return Notes(
        by_option(problems),
        by_option(warnings),
        edited.preset if known else "",
        option_list.values(compared),
        {"training.start_from": _runs(workspace)},
    )


def by_option(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """Sentences by `group.name`."""
    sentences: dict[str, list[str]] = {}
    for problem in problems:
        sentences.setdefault(problem.option, []).append(problem.message)
    return sentences


def _runs(workspace: Workspace) -> dict[str, str]:
    """Runs whose model a training can start from, newest first."""
    named = {run.id: run_picker.name_of(run) for run in runs.all_runs(workspace)[: statuses.MOST_RUNS]}
    return {"": "none: a new model", LATEST: "latest run with a model", **named}


def widget_key(option: Option) -> str:
    """The key of an option's field. Each fill creates new keys: a click on an outdated page then sends values of fields
    that no longer exist, which have no effect."""
    return f"option.{st.session_state.get(FILLED, 0)}.{option.key}"


def fill(values: Values) -> None:
    """Put values into the fields."""
    for option in options():
        st.session_state.pop(widget_key(option), None)
    st.session_state[FILLED] = st.session_state.get(FILLED, 0) + 1
    for option in options():
        st.session_state[widget_key(option)] = values[option.key]


def current(fallback: Values) -> Values:
    """The values of the fields; `fallback` for those that are not on the page."""
    held = {option: st.session_state.get(widget_key(option)) for option in options()}
    return {option.key: fallback[option.key] if v is None else option.kind(v) for option, v in held.items()}


def draw(values: Values, notes: Notes) -> None:
    """Draw the search field and the options that match: basic ones open, advanced ones collapsed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Search options", key="option_search", width=300, placeholder="noise, epochs, Hz…")
        only_changed = st.toggle("Only differences from the preset", key="option_changed")
    shown = [option for option in options() if matches(option, words)]
    if only_changed:
        shown = [option for option in shown if values[option.key] != notes.preset_values[option.key]]
    for option in shown:
        st.session_state.setdefault(widget_key(option), values[option.key])
    if not shown:
        reason = f"matches “{plain(words.strip())}”" if words.strip() else "differs"
        st.info(f"No option {reason}. Clear the search and turn off the switch to see all options.")
    elif words.strip() or only_changed:
        with st.container(border=True):
            _draw_fields(shown, notes, with_group=True)
    else:
        _draw_groups(shown, values, notes)


def matches(option: Option, words: str) -> bool:
    """Whether every word occurs in the name, label, unit or help of the option."""
    text = f"{option.key} {option.group} {option.label} {option.unit} {option.help}".lower()
    return all(word in text for word in words.lower().split())


def _draw_groups(shown: Sequence[Option], values: Values, notes: Notes) -> None:
    groups = [list(members) for _, members in groupby(shown, key=lambda option: option.group)]
    sides = st.columns(2, gap="small")
    for number, members in enumerate(groups):
        with sides[number * 2 >= len(groups) - 1], st.container(border=True):
            st.header(group_title(members[0].group), anchor=False)
            _draw_fields([option for option in members if not option.advanced], notes)
            if advanced := [option for option in members if option.advanced]:
                title = _advanced_title(advanced, values, notes)
                with st.expander(title, key=f"advanced_{members[0].group}"):
                    _draw_fields(advanced, notes)


def _advanced_title(advanced: Sequence[Option], values: Values, notes: Notes) -> str:
    """The title of collapsed options, with the number of problems and differences among them."""
    wrong = sum(len(notes.problems.get(option.key, ())) for option in advanced)
    differ = sum(values[option.key] != notes.preset_values[option.key] for option in advanced)
    marks = [f":red[{wrong} to fix]"] if wrong else []
    return " · ".join(["Advanced", *marks, *([f":blue[{differ} differ]"] if differ else [])])


def _draw_fields(shown: Sequence[Option], notes: Notes, with_group: bool = False) -> None:
    with st.grid(3, min_column_width=170):
        for option in shown:
            with st.container(gap="xxsmall"):
                value = _field(option, notes, f"{group_title(option.group)}: " if with_group else "")
                _notes(option, value, notes)


def _notes(option: Option, value: Value, notes: Notes) -> None:
    """Draw the difference from the preset, and the problems and warnings of the field."""
    before = notes.preset_values[option.key]
    if value != before:
        st.caption(f":blue[●] {plain(notes.preset or 'default')}: {plain(option_list.shown(before))}")
    for sentence in notes.problems.get(option.key, ()):
        st.markdown(f":red[{plain(_capital(sentence))}]")
    for sentence in notes.warnings.get(option.key, ()):
        st.markdown(f":orange[{plain(_capital(sentence))}]")


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def help_text(option: Option) -> str:
    """The help with the range, which the field does not enforce, so that Validate can report problems."""
    names = f"Default: {option_list.shown(option.default)}. Name in files: `{option.key}`."
    limits = "" if option.kind is str else f"Range: {option_list.limits(option)}. "
    return f"{option.help}\n\n{limits}{names}"


def step(option: Option) -> float:
    """The step of + and -: a tenth of the magnitude of the default."""
    default = float(option.default)
    if default == 0:
        return 0.01 if option.high is not None and option.high <= 1 else 1.0
    return 10.0 ** (math.floor(math.log10(abs(default))) - 1)


def _field(option: Option, notes: Notes, before: str) -> Value:
    key, text, explanation = widget_key(option), before + option_label(option), help_text(option)
    if option.kind is bool:
        return st.checkbox(text, key=key, help=explanation)
    if option.kind is str:
        return _choice(option, notes, text)
    if option.kind is int:
        return int(st.number_input(text, key=key, step=1, format="%d", help=explanation))
    return float(st.number_input(text, key=key, step=step(option), format="%g", help=explanation))


def _choice(option: Option, notes: Notes, text: str) -> str:
    names = dict(notes.choices.get(option.key) or {choice: choice for choice in option.choices})
    held = str(st.session_state[widget_key(option)])
    names.setdefault(held, held)
    return str(
        st.selectbox(text, list(names), format_func=names.__getitem__, key=widget_key(option), help=help_text(option))
    )
