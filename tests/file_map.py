"""The map of every file in the README, made from what each module says of itself.

python -m tests.file_map        # writes it into README.md
"""

import ast
import re

from trainer import config_file
from trainer.workspace import PROJECT_ROOT

START, END = "<!-- files -->", "<!-- end of files -->"
PAGES = {
    "app.py": "the app as users start it: the pages behind the access token",
    "Home.py": "what runs now, the newest runs, the next step to take",
    "pages/1_Dataset.py": "get clips, scan, split",
    "pages/2_Configuration.py": "choose a preset, edit, validate, save",
    "pages/3_Training.py": "start a run, watch it, pause, stop, resume and extend it",
    "pages/4_Evaluation.py": "measure a model, listen with it, take it away",
    "pages/5_Runs.py": "every run: found, compared, gone on from, thrown away and brought back",
}
AROUND = {
    "Makefile": "set-up, app, tests, lint, lock",
    "pyproject.toml": "dependencies as ranges; settings of ruff, mypy and pytest",
    "requirements.lock": "every package by version and hash, for every platform",
    "ruff.toml": "in `pages/`, `trainer/`, `trainer/engine/`: who may import what",
    ".streamlit/config.toml": "the server: this machine only, nothing sent out; colours and sizes",
    ".ci/run": "what must hold in a fresh clone",
}


def sentence(path) -> str:
    """The first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    return re.split(r"(?<=[.])\s", " ".join(said.split("\n\n")[0].split()), maxsplit=1)[0].rstrip(".")


def modules() -> list[str]:
    """Every module of the app that is no page, by path: a folder's own modules before those of its folders."""
    found = [
        path.relative_to(PROJECT_ROOT) for top in ("pages", "trainer") for path in (PROJECT_ROOT / top).rglob("*.py")
    ]
    mine = [path for path in found if path.name != "__init__.py" and str(path) not in PAGES]
    return [str(path) for path in sorted(mine, key=lambda path: (path.parts[:-1], path.name))]


def rows_of_tests() -> list[str]:
    """One row for each folder of tests, naming its modules."""
    rows = []
    for folder in sorted({path.parent for path in (PROJECT_ROOT / "tests").rglob("*.py")}):
        names = ", ".join(path.stem for path in sorted(folder.glob("[!_]*.py")))
        rows.append(f"| `{folder.relative_to(PROJECT_ROOT)}/` | {names} |")
    return rows


def file_map() -> str:
    rows = ["| file | owns |", "| --- | --- |"]
    rows += [f"| `{name}` | {text} |" for name, text in PAGES.items()]
    rows += [f"| `{name}` | {sentence(PROJECT_ROOT / name)} |" for name in modules()]
    rows += [f"| `configs/presets/{name}.yaml` | {config_file.situation(name)} |" for name in config_file.presets()]
    rows += [f"| `{name}` | {text} |" for name, text in AROUND.items()]
    return "\n".join(rows + rows_of_tests())


def with_map(readme: str) -> str:
    """The README with the current map between its marks."""
    before, _, rest = readme.partition(START)
    return f"{before}{START}\n{file_map()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    readme = PROJECT_ROOT / "README.md"
    readme.write_text(with_map(readme.read_text()))
