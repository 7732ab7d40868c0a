"""Prints every string that a page can show, with its place in the source: `python -m tests.strings [FOLDER ...]`.

A string counts when it reads like text: two words, or one capitalised word where a page takes a label. Docstrings,
keys, CSS, JavaScript and patterns are left out. The output holds a few strings that no page shows; it misses none that
one does, apart from those that a library composes.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("Home.py", "app.py", "pages", "trainer")
LEFT_OUT = ("trainer/cli", "trainer/__main__.py")
CODE = re.compile(
    r"^\w+_\{|</?\w+[ >/]|\{\n|;\n|=>|\(\?|\\[dwsb]\b|^\W*$|^[\w.\[\]/-]+\(|"
    r"datum\.|===?|\[[^\]]*-[^\]]*\][+*{]"
)
SENTENCE = re.compile(r"[A-Za-z}][\w}'’”),.:;%-]* +[\w{(“‘*`:]")
LABEL = re.compile(r":?[A-Z][a-z]+(-[a-z]+)*(…|\.)?|[A-Z]{2,5}")
SILENT_KEYWORDS = {"key", "icon", "gap", "width", "type", "mode", "alias", "pattern", "encoding", "newline", "bind"}
SILENT_CALLS = {"compile", "get", "pop", "setdefault", "getattr", "startswith", "endswith", "removeprefix", "encode"}
SILENT_CALLS |= {"removesuffix", "split", "partition", "replace", "Literal", "TypeVar", "getenv", "component"}


def shown(node: ast.Constant | ast.JoinedStr) -> str:
    """The text, with what an f-string fills in between braces."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = (p.value if isinstance(p, ast.Constant) else "{" + ast.unparse(p.value) + "}" for p in node.values)
    return "".join(map(str, parts))


def is_text(text: str) -> bool:
    """Whether a person would read it as words."""
    return not CODE.search(text) and bool(SENTENCE.search(text) or LABEL.fullmatch(text))


def strings(node: ast.AST) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The strings below a node that may be shown, in the order of the source."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node
        node = node if isinstance(node, ast.JoinedStr) else ast.Pass()
    for child in _children(node):
        yield from strings(child)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    """Children of a node that may hold text: no docstring, annotation, comparison, index or key."""
    match node:
        case ast.JoinedStr():
            yield from (part for part in node.values if isinstance(part, ast.FormattedValue))
        case ast.FormattedValue():
            yield node.value
        case ast.Expr(value=ast.Constant()) | ast.match_case(body=[]) | ast.Compare():
            return
        case ast.match_case():
            yield from node.body
        case ast.Subscript():
            yield node.value
        case ast.Assign(targets=[ast.Name(id="key")]):
            return
        case ast.AnnAssign():
            yield from [node.value] if node.value else []
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from [*(default for default in node.args.kw_defaults if default), *node.args.defaults, *node.body]
        case ast.Call():
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            yield node.func
            yield from [] if name in SILENT_CALLS else node.args
            yield from (word.value for word in node.keywords if word.arg not in SILENT_KEYWORDS)
        case _:
            yield from ast.iter_child_nodes(node)


def found_in(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string that a module can show."""
    for node in strings(ast.parse(path.read_text())):
        text = shown(node)
        if is_text(text):
            yield node.lineno, text


def sources(folders: tuple[str, ...] = FOLDERS) -> Iterator[Path]:
    for folder in folders:
        path = ROOT / folder
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            if not str(file.relative_to(ROOT)).startswith(LEFT_OUT):
                yield file


def lines(folders: tuple[str, ...] = FOLDERS) -> Iterator[str]:
    """`FILE:LINE: TEXT` for every string, line breaks written as `\\n`."""
    for path in sources(folders):
        for number, text in found_in(path):
            yield f"{path.relative_to(ROOT)}:{number}: " + text.replace("\n", "\\n")


if __name__ == "__main__":
    print("\n".join(lines(tuple(sys.argv[1:]) or FOLDERS)))
