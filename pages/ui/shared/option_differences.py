"""The options that configurations of any version do not agree on, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from trainer.config import option_list
from trainer.config.option_list import Value, Values, options

NONE = "–"


def differing(found: Mapping[str, Values]) -> list[str]:
    """Names (`group.name`) of the options that are not the same in all, as declared, unknown ones last."""
    declared = [option.key for option in options()]
    every = dict.fromkeys(key for values in found.values() for key in values)
    keys = [key for key in declared if key in every] + [key for key in every if key not in set(declared)]
    return [key for key in keys if len({_comparable(values.get(key)) for values in found.values()}) > 1]


def _comparable(value: Value | None) -> tuple[str, Value | None]:
    """1 and 1.0 are the same, true and 1 are not."""
    return ("flag" if isinstance(value, bool) else "value", value)


def table(found: Mapping[str, Values]) -> pd.DataFrame:
    """One row for each option that differs, one column for each configuration."""
    labels = {option.key: option.label for option in options()}
    rows = [
        {"Option": labels.get(key, key), "Name in files": key}
        | {name: option_list.shown(values[key]) if key in values else NONE for name, values in found.items()}
        for key in differing(found)
    ]
    return pd.DataFrame(rows, columns=["Option", "Name in files", *found])
