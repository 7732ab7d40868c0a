"""The parts of the documentation that MkDocs makes from the code while it builds the site.

A page holds `<!-- generated: NAME -->` where the text of the function NAME goes. README, CONTRIBUTING and CHANGELOG of
the project root become pages too, with their links rewritten.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from pydantic import BaseModel

from trainer.__main__ import app
from trainer.catalog import run_rows
from trainer.config import config_file, option_list
from trainer.config.option_list import group_title
from trainer.config.option_list import options as declared_options
from trainer.detector import detector_file
from trainer.detector.detector_file import ColumnFacts, DetectorFile, Parity, Threshold, Unsmoothed
from trainer.detector.targets import TARGETS, Exported
from trainer.run import documents
from trainer.system.workspace import PROJECT_ROOT

MARK = re.compile(r"<!-- generated: ([a-z_]+) -->")
FOREIGN = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^\s>]*"
    r"|url\([\"']?(?:https?:)?//[^)]*|@import[^;]*",
    re.IGNORECASE,
)
ROOT_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
TOPICS = {
    "From a word to a model": "create",
    "Dataset": "demo scan split import capture corpora voices synthesise mend undo preview suspects relabel quarantine "
    "confirm",
    "Configuration": "presets validate difference probe",
    "Training": "train status log pause stop resume extend queue tell",
    "Evaluation and models": "evaluate export detect wyoming",
    "Runs": "runs note trash restore empty-trash free-space pack unpack tensorboard",
    "Access": "token",
}
NOT_OURS = ("data", "dist", "runs", "shared", "site")
PAGES = {
    "Home.py": "Create a detector from a word, the next step, what is training, the newest runs",
    "pages/1_Dataset.py": "Add clips, scan, split",
    "pages/2_Configuration.py": "Choose a preset, edit, validate, save",
    "pages/3_Training.py": "Start, watch, pause, stop, resume and extend a run",
    "pages/4_Evaluation.py": "Measure a model, listen with it, download it",
    "pages/5_Runs.py": "Find, compare, continue, delete and restore runs",
}
"""Streamlit would print a docstring at the top of a page."""
KINDS = {
    "text": "text",
    "words": "list of words",
    "number": "number",
    "share": "rate",
    "seconds": "duration",
    "bytes": "size",
    "time": "time",
    "flag": "flag",
}


def options() -> str:
    """Every option, a table for each group."""
    lines, group = [], ""
    for option in declared_options():
        if option.group != group:
            group = option.group
            lines += [
                "",
                f"## {group_title(group)}",
                "",
                "| option | default | range | what it does |",
                "| --- | --- | --- | --- |",
            ]
        star = "" if option.advanced else " ★"
        value, limits = option_list.shown(option.default), option_list.limits(option)
        lines.append(f"| `{option.key}`{star} | {value} | {limits} | {_cell(option.help)} |")
    return "\n".join(lines)


def presets() -> str:
    """The presets with their situations, then what each changes."""
    rows = ["| preset | for whom |", "| --- | --- |"]
    rows += [f"| `{name}` | {config_file.situation(name)} |" for name in config_file.presets()]
    return "\n".join(rows + [line for name in config_file.presets() for line in _preset(name)])


def _preset(name: str) -> Iterator[str]:
    yield from (
        "",
        f"## {name}",
        "",
        config_file.situation(name),
        "",
        "| option | value | default |",
        "| --- | --- | --- |",
    )
    document = config_file.preset_document(name)
    for option in declared_options():
        group = document.get(option.group, {})
        if isinstance(group, dict) and option.name in group:
            value, default = option_list.shown(group[option.name]), option_list.shown(option.default)
            yield f"| `{option.key}` | {value} | {default} |"


def command_line() -> str:
    """Every verb of the command line by topic: usage, help, arguments and options."""
    listed = {verb for verbs in TOPICS.values() for verb in verbs.split()}
    topics = {topic: verbs.split() for topic, verbs in TOPICS.items()}
    if others := sorted(set(app.commands) - listed):
        topics["Other"] = others
    lines = []
    for topic, verbs in topics.items():
        lines += [f"## {topic}", ""]
        for verb in verbs:
            lines += [*_verb(app.commands[verb]), ""]
    return "\n".join(lines)


def _verb(command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"python -m trainer {command.name}")
    yield from (f"### {command.name}", "", "```text", command.get_usage(context).removeprefix("Usage: "), "```", "")
    yield inspect.cleandoc(command.help or "")
    shown = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    if shown:
        yield from ("", "| option | what it does |", "| --- | --- |")
    for option in shown:
        names, text = option.get_help_record(context) or ("", "")
        yield f"| `{_cell(names)}` | {_cell(text)} |"


def targets() -> str:
    """Every place where a model can run, with what it needs."""
    rows = [f"| `{each.name}` | {each.title} | {each.needs} |" for each in TARGETS.values()]
    return "\n".join(["| `--for` | place | needs |", "| --- | --- | --- |", *rows])


EXAMPLE = DetectorFile(
    run="", label="Hey Atlas", checkpoint="", epoch=1, model="gru", window_seconds=2.0, hop_ms=80,
    smoothing_seconds=0.2, threshold=0.87, threshold_from=Threshold(source="validation_stream"),
    unsmoothed=Unsmoothed(threshold=0.93, threshold_from=Threshold(source="validation_stream")),
    refractory_seconds=1.0, columns=ColumnFacts(step_samples=1280, context_samples=1, dropped=1, per_window=16),
    files={}, parity=Parity(largest_difference=0.0, windows=1, within=True), versions={},
)  # fmt: skip
"""A model for which the steps are shown."""


def steps(name: str) -> str:
    """The steps at one place, for the word "Hey Atlas"."""
    target = TARGETS[name]
    exported = Exported(Path(), detector_file.of_model(EXAMPLE, target.model), EXAMPLE.label)
    return "\n".join(f"{number}. {step}" for number, step in enumerate(target.steps(exported), 1))


def search_fields() -> str:
    """What runs can be searched and sorted by, options aside."""
    rows = ["| field | kind | `--sort` puts first |", "| --- | --- | --- |"]
    for name, field in run_rows.fields().items():
        if name == field.name and "." not in name:
            first = {"time": "newest", "text": "A", "words": "A", "flag": "marked runs"}.get(field.kind)
            first = "newest" if name == "id" else first
            rows.append(
                f"| `{name}` | {KINDS[field.kind]} | {first or ('highest' if field.high_first else 'lowest')} |"
            )
    return "\n".join(rows)


def run_documents() -> str:
    """The JSON documents of a run folder, field by field."""
    models = [
        model
        for _, model in inspect.getmembers(documents, inspect.isclass)
        if issubclass(model, BaseModel) and model.__module__ == documents.__name__
    ]
    source = ast.parse(inspect.getsource(documents))
    by_line = sorted(models, key=lambda model: inspect.getsourcelines(model)[1])
    return "\n".join(
        line for model in by_line for line in _document(model, _attribute_docstrings(source, model.__name__))
    )


def _document(model: type[BaseModel], texts: dict[str, str]) -> Iterator[str]:
    yield from (f"### {model.__name__}", "", _joined(inspect.getdoc(model) or ""), "")
    yield from ("| field | type | default | meaning |", "| --- | --- | --- | --- |")
    for name, field in model.model_fields.items():
        annotation = inspect.formatannotation(field.annotation).replace("trainer.", "")
        default = "required" if field.is_required() else f"`{field.default!r}`"
        yield f"| `{name}` | `{_cell(annotation.split('documents.')[-1])}` | {default} | {_cell(texts.get(name, ''))} |"
    yield ""


def _attribute_docstrings(source: ast.Module, name: str) -> dict[str, str]:
    """The strings that follow the fields of a class."""
    body = next(node.body for node in source.body if isinstance(node, ast.ClassDef) and node.name == name)
    texts = {}
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            texts[ast.unparse(field.target)] = _joined(str(after.value.value))
    return texts


def modules() -> str:
    """Every Python module by folder, with the first sentence of its docstring."""
    lines, paths = [], module_paths()
    for folder in sorted({path.parent for path in paths}):
        title = f"{folder}/" if folder.parts else "Project root"
        lines += [f"## {title}", "", "| module | owns |", "| --- | --- |"]
        mine = [path for path in paths if path.parent == folder]
        lines += [f"| `{path.name}` | {_cell(_purpose(path))} |" for path in mine] + [""]
    return "\n".join(lines)


def module_paths() -> list[Path]:
    """Every module of the project below its root, without those of packages in an environment or a build."""
    tops = [PROJECT_ROOT, *(path for path in PROJECT_ROOT.iterdir() if path.is_dir() and path.name not in NOT_OURS)]
    every = [path for top in tops[1:] if not top.name.startswith(".") for path in top.rglob("*.py")]
    return sorted(
        path.relative_to(PROJECT_ROOT) for path in [*PROJECT_ROOT.glob("*.py"), *every] if path.stem != "__init__"
    )


def _purpose(path: Path) -> str:
    return PAGES.get(str(path)) or first_sentence(PROJECT_ROOT / path)


def first_sentence(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return re.split(r"(?<=[.])\s", _joined(text.split("\n\n")[0]), maxsplit=1)[0].rstrip(".")


def _joined(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _joined(text).replace("|", "\\|")


GENERATED: dict[str, Callable[[], str]] = {
    made.__name__: made for made in (options, presets, command_line, search_fields, run_documents, modules, targets)
} | {f"steps_{name.replace('-', '_')}": partial(steps, name) for name in TARGETS}


def with_generated(markdown: str) -> str:
    """A page with the generated text in place of its marks. Raises KeyError for an unknown name."""
    return MARK.sub(lambda mark: GENERATED[mark[1]](), markdown)


def root_page(name: str) -> str:
    """README, CONTRIBUTING or CHANGELOG with links as they are from the folder `docs`."""
    text = (PROJECT_ROOT / name).read_text()
    for path, page in ROOT_PAGES.items():
        text = text.replace(f"]({path}", f"]({page}")
    return text.replace("](docs/", "](")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, content=root_page(name)))
    return files


def foreign_resources(text: str) -> list[str]:
    """What a page or a style sheet would load from another host."""
    return [found[0] for found in FOREIGN.finditer(text)]


def on_post_build(config: MkDocsConfig) -> None:
    """Fails the build when a file of the site loads something from another host."""
    for path in Path(config.site_dir).rglob("*"):
        if path.suffix in (".html", ".css") and (found := foreign_resources(path.read_text())):
            raise PluginError(f"{path.name} loads {found[0]!r}. Keep what a page needs in docs/.")


def on_page_markdown(markdown: str, **_: object) -> str:
    return with_generated(markdown)
