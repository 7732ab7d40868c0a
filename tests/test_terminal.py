"""What the command line prints."""

import json

from trainer import terminal
from trainer.terminal import Session
from trainer.workspace import Workspace

NAME = "a\x1b[2Jb\x1b]0;c\nnext"


def test_a_name_from_elsewhere_steers_no_terminal(capsys, tmp_path):
    terminal.show(Session(Workspace(tmp_path), as_json=False), {}, NAME)
    said = capsys.readouterr().out
    assert "\x1b" not in said and said.splitlines()[0].startswith("ab") and said.splitlines()[1] == "next"
    terminal.show(Session(Workspace(tmp_path), as_json=True), {"label": NAME}, "")
    assert json.loads(capsys.readouterr().out) == {"label": NAME}
