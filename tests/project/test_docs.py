"""The documentation is true: its commands exist, its generated parts are complete, its site stands alone."""

import importlib.util
import os
import re
import tomllib
from pathlib import Path

import click
import pytest

from docs import generate
from tests import documented
from trainer.__main__ import app
from trainer.config import config_file, option_list
from trainer.config.option_list import options
from trainer.run.runs import Run
from trainer.system.workspace import PROJECT_ROOT

README = (PROJECT_ROOT / "README.md").read_text()


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150 and len(README.encode()) <= 10_000


def test_every_verb_and_option_in_a_command_exists():
    checked = 0
    for page, module, words in documented.commands():
        if module != "trainer":
            assert importlib.util.find_spec(module), f"{page.name}: python -m {module}"
            continue
        verb = next((word for word in words if not word.startswith("-")), "")
        if verb in ("", "VERB"):
            continue
        assert verb in app.commands, f"{page.name}: python -m trainer {' '.join(words)}"
        known = {name for option in app.commands[verb].params for name in (*option.opts, *option.secondary_opts)}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= known | {"--json", "--root", "--help"}, f"{page.name}: {verb} {used - known}"
        checked += 1
    assert checked > 30


def test_every_make_target_on_a_page_exists():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE))
    text = "\n".join(page.read_text() for page in documented.pages())
    named = set(re.findall(r"(?:`|\n    )make ([a-z][a-z-]+)", text))
    assert {"app", "test", "lint", "docs", "soak", "bench"} <= named <= targets, named - targets


def test_the_readme_names_its_commands_for_start_and_tests():
    assert "\n    make app " in README and "\n    make test " in README


def test_every_verb_is_in_the_reference_with_its_options():
    text = generate.command_line()
    listed = [verb for verbs in generate.TOPICS.values() for verb in verbs.split()]
    assert sorted(listed) == sorted(app.commands), "docs/generate.py: TOPICS"
    for name, command in app.commands.items():
        section = text.partition(f"### {name}\n")[2].partition("\n### ")[0]
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.opts[0] in section, f"{name} {option.opts[0]}"


def test_the_reference_has_every_option_as_declared():
    page = generate.with_generated((documented.DOCS / "reference/options.md").read_text())
    for option in options():
        (row,) = re.findall(rf"^\| `{option.key}`.*$", page, re.MULTILINE)
        star = "" if option.advanced else " ★"
        value, limits = option_list.shown(option.default), option_list.limits(option)
        assert row == f"| `{option.key}`{star} | {value} | {limits} | {option.help} |"


def test_the_reference_tells_of_every_preset_in_its_own_words():
    page = generate.with_generated((documented.DOCS / "reference/presets.md").read_text())
    for name in config_file.presets():
        assert f"| `{name}` | {config_file.situation(name)} |" in page and f"\n## {name}\n" in page
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        groups = {
            group: values for group, values in config_file.preset_document(name).items() if isinstance(values, dict)
        }
        changed = [f"{group}.{option}" for group, values in groups.items() for option in values]
        assert sorted(re.findall(r"^\| `([\w.]+)` ", section, re.MULTILINE)) == sorted(changed), name


def test_every_file_of_a_run_is_in_the_table(tmp_path):
    page = (documented.DOCS / "run-folder.md").read_text()
    run = Run(tmp_path)
    named = [name for name, found in vars(Run).items() if isinstance(found, property) and name != "id"]
    assert len(named) > 10
    for name in named:
        place = getattr(run, name)
        if not hasattr(place, "relative_to") or place == run.folder or tmp_path not in place.parents:
            continue
        assert f"`{place.relative_to(tmp_path).parts[0]}" in page, place


def _walk():
    """As os.walk, without environments, caches and what users make."""
    for folder, inner, names in os.walk(PROJECT_ROOT):
        top = Path(folder) == PROJECT_ROOT
        inner[:] = [n for n in inner if n[0] != "." and not (top and n in ("data", "runs", "shared", "site"))]
        yield folder, inner, names


def test_no_module_is_missing_in_the_list():
    """Looked for without the list's own search, so that a folder that it does not know is found."""
    shown = generate.modules()
    every = (Path(folder) / name for folder, _, names in _walk() for name in names if name.endswith(".py"))
    ours = [path.relative_to(PROJECT_ROOT) for path in every if path.name != "__init__.py"]
    assert len(ours) > 100
    for path in ours:
        title = f"{path.parent}/" if path.parent.parts else "Project root"
        section = shown.partition(f"## {title}\n")[2].partition("\n## ")[0]
        purpose = ".*" if path.parts[0] == "tests" else ".+"
        assert re.search(rf"^\| `{re.escape(path.name)}` \| {purpose} \|$", section, re.MULTILINE), path


def test_an_unknown_mark_is_an_error():
    with pytest.raises(KeyError):
        generate.with_generated("<!-- generated: nothing -->")


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ('<script src="https://cdn.example/a.js"></script>', True),
        ("<link rel=stylesheet href=//cdn.example/a.css>", True),
        ("@font-face{src:url(https://fonts.example/a.woff2)}", True),
        ('<a href="https://example.org">a link</a><img src="../pictures/runs.png">', False),
    ],
)
def test_a_page_that_loads_from_another_host_is_found(text: str, foreign: bool):
    """`make docs` fails on it."""
    assert bool(generate.foreign_resources(text)) == foreign


def test_the_map_in_the_readme_is_that_of_the_layers():
    """Every room of the import contract has a place in the map, and the map names no other."""
    contracts = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if "trainer.engine" in contract["layers"])
    rooms = {f"{layer.replace('.', '/')}/" for layer in layers if layer != "trainer.__main__"}
    table = README.partition("| room | holds |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.strip().splitlines()[1:]]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert named == rooms and len(rows) == 12
    assert all((PROJECT_ROOT / room).is_dir() for room in rooms)
    folders = {f"trainer/{path.parent.name}/" for path in (PROJECT_ROOT / "trainer").glob("*/__init__.py")}
    assert folders <= rooms, folders - rooms


def test_every_path_on_a_page_exists():
    pattern = re.compile(r"`((?:tests|trainer|pages|benchmarks|soak|docs|configs|\.ci|\.streamlit)/[\w./-]*)`")
    for page in documented.pages():
        for name in pattern.findall(page.read_text()):
            ours = name in ("configs/", "configs/.drafts") or (PROJECT_ROOT / name).exists()
            assert ours, f"{page.name}: {name}"


def test_every_button_and_field_that_a_guide_names_is_on_a_page():
    """A guide writes buttons as `Start Training` and other parts of a page as *New evaluation*."""
    sources = "\n".join(
        path.read_text() for path in [PROJECT_ROOT / "Home.py", *(PROJECT_ROOT / "pages").rglob("*.py")]
    )
    words = re.compile(r"`([A-Z][a-z]+(?: [A-Za-z]+)*)`|(?<!\*)\*([A-Z][a-z][^*\n]*)\*(?!\*)")
    guides = [
        PROJECT_ROOT / "README.md",
        *(documented.DOCS / "guides").glob("*"),
        *(documented.DOCS / "how-to").glob("*"),
    ]
    named = [(page.name, name) for page in guides for pair in words.findall(page.read_text()) for name in pair if name]
    assert len(named) > 30
    for page, name in named:
        assert re.search(rf"[\"'\]{{ ]{re.escape(name)}\b", sources), f"{page}: {name}"
