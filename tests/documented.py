"""What the documentation shows to be copied: programs and commands, so that tests run what users run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from trainer.system.workspace import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
LISTEN_PAGE, ANALYSIS_PAGE = DOCS / "how-to/python.md", DOCS / "how-to/analysis.md"
COMMAND = re.compile(r"(?:\.venv/bin/)?python -m (?P<module>[\w.]+)(?P<rest>[^`\n]*)")


def program(page: Path) -> str:
    """The one Python program on a page."""
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return code


def pages() -> list[Path]:
    """Every page that is written by hand, those of the project root among them."""
    return [*(PROJECT_ROOT / name for name in ("README.md", "CONTRIBUTING.md")), *sorted(DOCS.rglob("*.md"))]


def commands() -> Iterator[tuple[Path, str, list[str]]]:
    """(page, module, words after it) of every `python -m MODULE ...`; of optional words too, without what follows a
    pipe or a comment."""
    for page in pages():
        for found in COMMAND.finditer(page.read_text()):
            rest = re.split(r"[|#>;]|\s{2,}", found["rest"].replace("[", " ").replace("]", " ").replace("\\", ""))[0]
            yield page, found["module"], shlex.split(rest)
