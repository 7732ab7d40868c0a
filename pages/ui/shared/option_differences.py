"""The table of options that differ between configurations, which may be of any version."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from trainer.config import option_list
from trainer.config.option_list import Option, Value, Values, options

NONE = "–"


def show(configurations: Mapping[str, Values], key: str | None = None) -> None:
    """Draw the table, with a column for each configuration, or say that there is no difference."""
    rows = table(configurations)
    if len(rows):
        st.dataframe(rows, hide_index=True, width="stretch", alt="Options that differ", key=key)
    else:
        st.success("No differences: every option has the same value.")


def option_label(option: Option) -> str:
    """The label of an option with its unit."""
    return f"{option.label} ({option.unit})" if option.unit else option.label


def differing(configurations: Mapping[str, Values]) -> list[str]:
    """Names (`group.name`) of the options that differ, in the order of declaration, unknown ones last."""
    declared = [option.key for option in options()]
    every = dict.fromkeys(key for values in configurations.values() for key in values)
    keys = [key for key in declared if key in every] + [key for key in every if key not in set(declared)]
    return [key for key in keys if len({_comparable(values.get(key)) for values in configurations.values()}) > 1]


def _comparable(value: Value | None) -> tuple[str, Value | None]:
    """1 equals 1.0, but true does not equal 1."""
    return ("flag" if isinstance(value, bool) else "value", value)


def table(configurations: Mapping[str, Values]) -> pd.DataFrame:
    """One row for each option that differs, one column for each configuration."""
    labels = {option.key: option_label(option) for option in options()}
    rows = [
        {"Option": labels.get(key, key), "Name in files": key}
        | {name: option_list.shown(values[key]) if key in values else NONE for name, values in configurations.items()}
        for key in differing(configurations)
    ]
    return pd.DataFrame(rows, columns=["Option", "Name in files", *configurations])
