"""The command that prints what pages say finds it, and none of the phrases that were replaced has come back."""

import pytest

from tests import strings

REPLACED = (
    "What a click came to",
    "What the last click came to",
    "is told as damaged",
    "counters learning by heart",
    "A recording of noise below is none",
    "Nobody was told of the end",
    "Groups in two splits: 0",
    "in that time means",
    "Others taken for it",
    "Taken for it",
    "When shall this run come",
    "Take In",
    "of nobody known",
    "has the last word",
    "it cannot be told how",
    "goes on by itself",
    "Nobody waits",
    "left no last word",
)


@pytest.fixture(scope="module")
def lines():
    return list(strings.lines())


def test_labels_messages_and_help_are_found(lines):
    texts = {line.split(": ", 1)[1] for line in lines}
    assert {"Start Training", "Splits", "YAML", "Early stopping", "What shall your device listen for?"} <= texts
    assert any("checked.needs" not in text and text.startswith("Loaded: {") for text in texts), "f-strings too"
    assert any(line.startswith("trainer/config/schema.py:") for line in lines), "options too"


def test_keys_styles_and_docstrings_are_left_out(lines):
    assert not [line for line in lines if "clip_table_" in line or "AudioContext" in line or "border-box" in line]
    assert not [line for line in lines if strings.__doc__.splitlines()[0] in line]


@pytest.mark.parametrize("phrase", REPLACED)
def test_a_replaced_phrase_stays_away(lines, phrase):
    assert not [line for line in lines if phrase in line]
