"""What the command line prints."""

import json

import pytest
from rich.console import Console

from pages.ui.shared import frame
from tests.run_folders import make_run
from trainer.cli import terminal
from trainer.cli.run import status_document
from trainer.cli.terminal import Session
from trainer.system import log_lines
from trainer.system.workspace import Workspace

NAME = "a\x1b[2Jb\x1b]0;c\nnext"


def test_a_name_from_elsewhere_steers_no_terminal(capsys, tmp_path):
    terminal.show(Session(Workspace(tmp_path), as_json=False), {}, NAME)
    said = capsys.readouterr().out
    assert "\x1b" not in said and said.splitlines()[0].startswith("ab") and said.splitlines()[1] == "next"
    terminal.show(Session(Workspace(tmp_path), as_json=True), {"label": NAME}, "")
    assert json.loads(capsys.readouterr().out) == {"label": NAME}


@pytest.mark.parametrize(
    "mark",
    ["\x1b[2J", "\x1b]52;c;aGk=\x07", "\x1b(0", "\x9b2J", "\x9d0;title\x9c", "\x90q\x1b\\", "\x07", "\x7f", "\x85",
     "\r", "\u202e", "\u2066", "\u200e", "\u200f", "\u061c", "\u200b", "\u200c", "\u200d", "\ufeff", "\u2028", "\u2029",
     "\U000e0041", "\udcff"],
)  # fmt: skip
def test_nothing_in_a_name_reaches_a_terminal_or_a_page(mark, capsys, tmp_path):
    """On standard output and standard error, redirected too; JSON holds the very name, and only in escapes."""
    name, session = f"a{mark}b", Session(Workspace(tmp_path), as_json=True)
    terminal.show(Session(Workspace(tmp_path), as_json=False), {}, name)
    terminal.complain(name)
    terminal.refuse(name, False, 2)
    log_lines.say(name)
    told = capsys.readouterr()
    assert mark not in told.out + told.err + frame.plain(name) and "\N{ESCAPE}" not in told.out + told.err
    (told.out + told.err).encode()
    terminal.show(session, {"name": name}, "")
    written = capsys.readouterr().out
    assert mark not in written and json.loads(written) == {"name": name}


@pytest.mark.parametrize(
    "name",
    ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937", "\U0001f468\u200d\U0001f467"],
)
def test_joiners_that_spell_a_word_are_shown(name, capsys, tmp_path):
    """Persian and Hindi are written with them; one that stands alone, or between Latin letters, only hides."""
    terminal.show(Session(Workspace(tmp_path), as_json=False), {}, name)
    assert capsys.readouterr().out == f"{name}\n" and frame.plain(name) == name
    for hidden in ("\u200cab", "ab\u200d", f"{name}\u200c", f"{name[0]}\u200c\u200c\u200c{name[-1]}", "\u200d"):
        assert not set(frame.plain(hidden)[len(name) if hidden.startswith(name) else 0 :]) & {"\u200c", "\u200d"}


def test_a_name_with_markup_is_shown_as_it_is(monkeypatch, capsys):
    monkeypatch.setattr(Console, "is_terminal", True)
    with terminal.progress() as report:
        report(1, 2, "[red]a[/red] \x1b]0;title\x07 [/nonsense]")
    assert "[red]a[/red]" in capsys.readouterr().err


def test_the_status_of_a_run_names_its_best_epoch_and_where_the_checkpoint_lies(tmp_path):
    run = make_run(Workspace(tmp_path), 3)
    document = status_document(Session(Workspace(tmp_path), False), run)
    lines = terminal.status_text(document).splitlines()
    best = next(line for line in lines if line.startswith("best: "))
    assert best.startswith("best: epoch 3, ") and best.endswith(str(run.checkpoints / "epoch-3.pt"))
    odd = {**document, "best": {**document["best"], "by": "model_dump"}}
    assert "validation loss" in terminal.status_text(odd), "a run of a stranger may name any measure"
