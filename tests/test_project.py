"""The project tells the truth about itself: its README, its locks, its rules of import."""

import re
import subprocess
import sys
import tomllib

import pytest

from tests.file_map import file_map, with_map
from trainer.workspace import PROJECT_ROOT


def test_the_map_of_files_in_the_readme_is_current():
    readme = (PROJECT_ROOT / "README.md").read_text()
    assert readme == with_map(readme), "run: python -m tests.file_map"


def test_no_file_of_the_app_is_missing_in_the_map():
    """Looked for without the map's own search, so that a folder that it does not know is told."""
    shown = file_map()
    every = {path.relative_to(PROJECT_ROOT) for path in PROJECT_ROOT.rglob("*.py") if path.name != "__init__.py"}
    ours = {
        path for path in every if not path.parts[0].startswith(".") and path.parts[0] not in ("data", "runs", "shared")
    }
    missing = [str(path) for path in ours if path.parts[0] != "tests" and f"| `{path}` |" not in shown]
    missing += [str(path) for path in ours if path.parts[0] == "tests" and path.stem not in shown]
    assert len(ours) > 100 and not missing


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
        ("pages/ui", "import soundfile"),
        ("pages/ui", "from trainer import audio_file\n\naudio_file.read(1)"),
        ("pages/ui", "from trainer import detector\n\ndetector.scores_of_file(1)"),
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
