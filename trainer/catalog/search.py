"""Searching runs: `model.name=bc_resnet val_loss<0.2 tag:night state:failed -archived free words`.

All terms must match; a `-` before a term negates it. A term is `field:text`, `field=value`, `field<number` (and
`<= > >= !=`), `starred`, `archived`, or a word to search in label, tags, note, id, model, configuration and preset.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from trainer.catalog import run_rows
from trainer.catalog.run_rows import Field, Row
from trainer.run.state import State

Test = Callable[[Row], bool]
_TOKEN = re.compile(r'(?:[^\s"]|"[^"]*(?:"|$))+')
_TERM = re.compile(r"([A-Za-z_][\w.]*)(<=|>=|!=|[:=<>])(.*)", re.DOTALL)
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([a-z%]*)", re.IGNORECASE)
_TIME = re.compile(r"\d{4}(-\d\d(-\d\d([ T]\d\d(:\d\d(:\d\d)?)?)?)?)?")
_UNITS = {
    "number": {"": 1.0, "%": 0.01, "k": 1e3},
    "share": {"": 1.0, "%": 0.01},
    "seconds": {"": 1.0, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0},
    "bytes": {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12},
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    ":": operator.eq,
}
NOTHING = "none"
"""The value for an unknown field."""
STATES = (*get_args(State), "foreign")
FLAGS = ("archived", "starred")


@dataclass(frozen=True)
class Query:
    """A parsed query."""

    tests: tuple[Test, ...]
    names: frozenset[str]
    """The fields that the query names."""

    def matches(self, row: Row) -> bool:
        return all(test(row) for test in self.tests)


def parse(text: str) -> Query:
    """Parse a query. Raises ValueError with the wrong term and the correct form."""
    tests, names = [], set()
    for token in _TOKEN.findall(text):
        negated = token.startswith("-") and len(token) > 1
        name, test = _term(token[negated:])
        names.add(name)
        tests.append(_opposite(test) if negated else test)
    return Query(tuple(tests), frozenset(names - {""}))


def find(rows: Sequence[Row], text: str, archived: bool = False) -> list[Row]:
    """The rows that a query matches, in their order. Archived runs are left out unless `archived` is set or the query
    names them. Raises ValueError as `parse`."""
    query = parse(text)
    every = archived or "archived" in query.names
    return [row for row in rows if (every or not row.archived) and query.matches(row)]


def _opposite(test: Test) -> Test:
    return lambda row: not test(row)


def _bare(text: str) -> str:
    return text.replace('"', "")


def _term(token: str) -> tuple[str, Test]:
    """The field that a term names (or none), and its test."""
    if token.lower() in FLAGS:
        return token.lower(), run_rows.find_field(token).of  # type: ignore[return-value]
    term = _TERM.fullmatch(token)
    if term is None:
        return "", _word_test(_bare(token).casefold())
    name, sign, value = term[1], term[2], _bare(term[3])
    try:
        field = run_rows.find_field(name)
    except ValueError as error:
        raise ValueError(f'{error} To look for the text itself, put it in quotes: "{_bare(token)}".') from None
    if not value:
        raise ValueError(f"{token!r} has no value; write {name}{sign}value without a space.")
    if sign == "!=":
        return field.name, _opposite(_test(field, "=", value))
    return field.name, _test(field, sign, value)


def _word_test(word: str) -> Test:
    def test(row: Row) -> bool:
        places = (row.label, *row.tags, row.note, row.run, row.model, row.config, row.preset)
        return any(word in place.casefold() for place in places)

    return test


def _test(field: Field, sign: str, value: str) -> Test:
    if value.lower() == NOTHING and sign in ":=":
        return lambda row: field.of(row) in (None, "", ())
    match field.kind:
        case "text" | "words":
            return _text_test(field, sign, value)
        case "flag":
            return _flag_test(field, value)
        case "time":
            return _time_test(field, sign, value)
    return _number_test(field, sign, value)


def _text_test(field: Field, sign: str, value: str) -> Test:
    if sign not in ":=":
        raise ValueError(f"{field.name} is text and cannot be compared with {value!r}; write {field.name}:{value}.")
    wanted = value.casefold()
    if field.name == "state" and wanted not in STATES:
        near = difflib.get_close_matches(wanted, STATES, 1, 0.4)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(STATES)}."
        raise ValueError(f"There is no state {value!r}; {hint}")
    if field.kind == "words":
        return lambda row: wanted in (each.casefold() for each in field.of(row) or ())  # type: ignore[union-attr]
    if sign == "=" or field.name == "state":
        return lambda row: str(field.of(row) or "").casefold() == wanted
    return lambda row: wanted in str(field.of(row) or "").casefold()


def _flag_test(field: Field, value: str) -> Test:
    if value.lower() not in ("true", "false", "yes", "no"):
        raise ValueError(f"{field.name} is true or false, not {value!r}.")
    wanted = value.lower() in ("true", "yes")
    return lambda row: field.of(row) is wanted


def _time_test(field: Field, sign: str, value: str) -> Test:
    """Compares times at the given precision: `started=2026-01` is all of that month."""
    if not _TIME.fullmatch(value):
        raise ValueError(f"{field.name} is a local time such as 2026-01-31 or 2026-01-31T18:30, not {value!r}.")
    wanted = value.replace("T", " ")

    def test(row: Row) -> bool:
        seconds = field.of(row)
        if not isinstance(seconds, (int, float)):
            return False
        return _COMPARE[sign](run_rows.local_time(seconds)[: len(wanted)], wanted)

    return test


def _number_test(field: Field, sign: str, value: str) -> Test:
    wanted = _number(field, value)

    def test(row: Row) -> bool:
        number = field.of(row)
        if not isinstance(number, (int, float)):
            return False
        same = math.isclose(number, wanted, rel_tol=1e-9)
        return same if sign in ":=" else not (same and len(sign) == 1) and (same or _COMPARE[sign](number, wanted))

    return test


def _number(field: Field, value: str) -> float:
    units = _UNITS[field.kind]
    number = _NUMBER.fullmatch(value)
    if number is None or number[2].lower() not in units:
        names = ", ".join(unit for unit in units if unit)
        raise ValueError(f"{field.name} is a number{f' (units: {names})' if names else ''}, not {value!r}.")
    return float(number[1]) * units[number[2].lower()]
