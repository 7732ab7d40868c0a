"""The map of every file in the README, made from what each module says of itself.

python -m tests.file_map        # writes it into README.md
"""

import ast
import re

from trainer.workspace import PROJECT_ROOT

START, END = "<!-- files -->", "<!-- end of files -->"
PAGES = {
    "Home.py": "what runs now, the newest runs, the next step to take",
    "pages/1_Dataset.py": "get clips, scan, split",
    "pages/2_Configuration.py": "choose a preset, edit, validate, save",
    "pages/3_Training.py": "start a run, watch it, stop it",
    "pages/4_Evaluation.py": "the validation results of a run",
    "pages/5_Runs.py": "every run",
}


def sentence(path) -> str:
    """The first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    return re.split(r"(?<=[.])\s", " ".join(said.split("\n\n")[0].split()), maxsplit=1)[0].rstrip(".")


def file_map() -> str:
    rows = ["| file | owns |", "| --- | --- |"]
    rows += [f"| `{name}` | {text} |" for name, text in PAGES.items()]
    for folder in ("pages/ui", "trainer", "trainer/engine", "trainer/engine/models", "trainer/synthesis"):
        for path in sorted((PROJECT_ROOT / folder).glob("*.py")):
            if path.name != "__init__.py":
                rows.append(f"| `{folder}/{path.name}` | {sentence(path)} |")
    rows += [f"| `configs/presets/{path.name}` | {path.read_text().splitlines()[0][2:]} |"
             for path in sorted((PROJECT_ROOT / "configs" / "presets").glob("*.yaml"))]  # fmt: skip
    rows.append("| `tests/` | a test module for each module; `tests/engine/`, `tests/browser/` |")
    return "\n".join(rows)


def with_map(readme: str) -> str:
    """The README with the current map between its marks."""
    before, _, rest = readme.partition(START)
    return f"{before}{START}\n{file_map()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    readme = PROJECT_ROOT / "README.md"
    readme.write_text(with_map(readme.read_text()))
