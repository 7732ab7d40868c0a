"""The form of all options, drawn from their declaration."""

from __future__ import annotations

import math
from itertools import groupby

import streamlit as st

from pages.ui.draft import Value, Values
from trainer.options import Option, group_title, options


def widget_key(option: Option) -> str:
    return f"option.{option.key}"


def fill(values: Values) -> None:
    """Put values into the fields, over what stands there."""
    for option in options():
        st.session_state[widget_key(option)] = values[option.key]


def current(fallback: Values) -> Values:
    """What the fields hold now; `fallback` for those that are not on the page."""
    return {option.key: st.session_state.get(widget_key(option), fallback[option.key]) for option in options()}


def draw(values: Values) -> Values:
    """Draw every option, basic ones open and advanced ones folded; returns what the fields hold."""
    for option in options():
        st.session_state.setdefault(widget_key(option), values[option.key])
    groups = [list(members) for _, members in groupby(options(), key=lambda option: option.group)]
    sides = st.columns(2, gap="small")
    found: Values = {}
    for number, members in enumerate(groups):
        with sides[number * 2 >= len(groups) - 1], st.container(border=True):
            found |= _draw_group(members)
    return {option.key: found[option.key] for option in options()}


def _draw_group(members: list[Option]) -> Values:
    st.subheader(group_title(members[0].group), anchor=False)
    found = _draw_fields([option for option in members if not option.advanced])
    if advanced := [option for option in members if option.advanced]:
        with st.expander("Advanced"):
            found |= _draw_fields(advanced)
    return found


def _draw_fields(found: list[Option]) -> Values:
    with st.grid(3, min_column_width=170):
        return {option.key: _field(option) for option in found}


def label(option: Option) -> str:
    return f"{option.label} ({option.unit})" if option.unit else option.label


def help_text(option: Option) -> str:
    """The help with the range; the range is told, not enforced, so that Validate can say what is wrong."""
    low, high = option.low, option.high
    if low is None and high is None:
        return option.help
    limits = f"{low:,g} to {high:,g}" if low is not None and high is not None else f"{low:g} and more"
    return f"{option.help}\n\nRange: {limits}. Default: {option.default}. Name in files: `{option.key}`."


def step(option: Option) -> float:
    """How far one press of + goes: a tenth of the default's magnitude, so that small numbers move in small steps."""
    default = float(option.default)
    if default == 0:
        return 0.01 if option.high is not None and option.high <= 1 else 1.0
    return 10.0 ** (math.floor(math.log10(abs(default))) - 1)


def _field(option: Option) -> Value:
    key, text, explanation = widget_key(option), label(option), help_text(option)
    if option.kind is bool:
        return st.checkbox(text, key=key, help=explanation)
    if option.choices:
        return st.selectbox(text, option.choices, key=key, help=explanation)
    if option.kind is int:
        return int(st.number_input(text, key=key, step=1, format="%d", help=explanation))
    return float(st.number_input(text, key=key, step=step(option), format="%g", help=explanation))
