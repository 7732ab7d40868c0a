"""The project tells the truth about itself: its locks, its rules of import."""

import re
import subprocess
import sys
import tomllib

import pytest

from trainer.system.workspace import PROJECT_ROOT


def test_every_dependency_is_locked_with_its_hash():
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    named = [re.match(r"[A-Za-z0-9_-]+", line)[0].lower() for line in [*project["dependencies"], *extras]]
    lock = (PROJECT_ROOT / "requirements.lock").read_text()
    for name in named:
        assert re.search(rf"^{re.escape(name)}==\S+.*\\\n    --hash=sha256:", lock, re.MULTILINE), name
    assert re.search(r"^torch==2\.11\.", lock, re.MULTILINE) and re.search(r"^torchaudio==2\.11\.", lock, re.MULTILINE)
    assert "://" not in lock and "index" not in lock, "the lock names a registry"


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("pages", "import torch"),
        ("pages/ui", "from trainer.engine import loop"),
        ("pages/ui", "import soundfile"),
        ("pages/ui", "from trainer.audio import audio_file\n\naudio_file.read(1)"),
        ("pages/ui", "from trainer.detector import detector\n\ndetector.scores_of_file(1)"),
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


def test_the_command_line_is_ready_before_pandas_and_torch_would_be():
    """`status` and `runs` are called in loops; what other verbs need is imported when they run."""
    code = "import trainer.__main__, sys; print({'pandas', 'scipy', 'torch', 'streamlit'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT_ROOT)
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
