"""The project tells the truth about itself: its README, its locks, its rules of import."""

import re
import subprocess
import sys
import tomllib

import pytest

from tests.file_map import with_map
from trainer.workspace import PROJECT_ROOT


def test_the_map_of_files_in_the_readme_is_current():
    readme = (PROJECT_ROOT / "README.md").read_text()
    assert readme == with_map(readme), "run: python -m tests.file_map"


def test_every_dependency_is_locked_with_its_hash():
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    named = [re.match(r"[A-Za-z0-9_-]+", line)[0].lower() for line in project["dependencies"]]
    lock = (PROJECT_ROOT / "requirements.lock").read_text()
    for name in named:
        assert re.search(rf"^{re.escape(name)}==\S+.*\\\n    --hash=sha256:", lock, re.MULTILINE), name
    assert re.search(r"^torch==2\.11\.", lock, re.MULTILINE) and re.search(r"^torchaudio==2\.11\.", lock, re.MULTILINE)


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("pages", "import torch"),
        ("pages/ui", "from trainer.engine import loop"),
        ("trainer", "import torch"),
        ("trainer", "import streamlit"),
        ("trainer", "from pages.ui import frame"),
        ("trainer/engine", "import streamlit"),
    ],
)
def test_the_import_rule_is_held_by_lint(folder: str, line: str):
    """A forbidden import in this folder is an error of ruff."""
    name = PROJECT_ROOT / folder / "stranger.py"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--stdin-filename", str(name), "-"],
        input=f"{line}\n", capture_output=True, text=True, cwd=PROJECT_ROOT,
    )  # fmt: skip
    assert done.returncode == 1 and "TID251" in done.stdout, done.stdout + done.stderr
