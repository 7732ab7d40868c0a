"""What the buttons of the Configuration page do, and what they have to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from pages.ui import draft, form, numbers
from pages.ui.draft import Draft, Source, Values
from pages.ui.frame import os_sentence, plain
from trainer import config_file, estimates
from trainer.config import Config
from trainer.config_file import ConfigError, Problem
from trainer.options import options
from trainer.workspace import Workspace

MESSAGES = "configuration_messages"


@dataclass(frozen=True)
class Message:
    """One thing to say after a click, as Markdown."""

    tone: Literal["error", "warning", "success"]
    text: str


def show_messages() -> None:
    """Show what the last click led to, once."""
    for message in st.session_state.pop(MESSAGES, []):
        {"error": st.error, "warning": st.warning, "success": st.success}[message.tone](message.text)


def _say(*messages: Message) -> None:
    st.session_state[MESSAGES] = list(messages)


def problem_sentence(problem: Problem) -> str:
    """A problem with the label that stands on the page and the name that stands in files."""
    labels = {option.key: option.label for option in options()}
    name = f"{labels[problem.option]} ({problem.option})" if problem.option in labels else problem.option
    return plain(f"{name}: {problem.message}" if name else problem.message)


def _problems(head: str, error: ConfigError) -> Message:
    if len(error.problems) == 1:
        return Message("error", f"{head} {problem_sentence(error.problems[0])}")
    lines = "\n".join(f"- {problem_sentence(problem)}" for problem in error.problems)
    return Message("error", f"{head} It has {len(error.problems)} problems:\n\n{lines}")


def load(workspace: Workspace, source: Source) -> None:
    """Take a preset or a saved file into the form; a file with problems is told and the form stays as it is."""
    try:
        loaded = draft.load(workspace, source)
        draft.write(workspace, loaded)
    except ConfigError as error:
        _say(_problems(f"{plain(source.name)}.yaml cannot be loaded.", error))
    except OSError as error:
        _say(Message("error", f"{plain(source.name)} cannot be loaded: {plain(os_sentence(error))}"))
    else:
        form.fill(loaded.values)
        st.session_state["save_name"] = draft.free_name(workspace, source)


def load_chosen(workspace: Workspace, kind: Literal["preset", "saved"]) -> None:
    """Load what the list of this kind shows."""
    if name := st.session_state.get(f"chosen_{kind}"):
        load(workspace, Source(kind, name))
    else:
        _say(Message("warning", "Nothing is saved yet; load a preset and save it under a name of your own."))


def _build(values: Values, refused: str) -> Config | None:
    try:
        return config_file.build(draft.nested(values))
    except ConfigError as error:
        _say(_problems(refused, error))
        return None


def validate(fallback: Values) -> None:
    """Tell every problem of the form at once, or that there is none, with what the training may need."""
    config = _build(form.current(fallback), "The configuration is not valid.")
    if config is None:
        return
    need = numbers.gigabytes(estimates.memory_bytes(config))
    valid = f"Configuration is valid. Memory of the training: about {need}, by estimate."
    _say(Message("success", valid), *(Message("warning", plain(text)) for text in estimates.warnings(config)))


def save(workspace: Workspace, edited: Draft) -> None:
    """Save the form under the name on the page, if it is valid and replaces nothing by accident."""
    values, name = form.current(edited.values), st.session_state.get("save_name", "").strip()
    config = _build(values, "Not saved: the configuration is not valid.")
    if config is None:
        return
    try:
        if would_replace(workspace, edited.source, name) and not st.session_state.get("replace"):
            text = f"There is a configuration “{name}” already. Choose another name, or tick “Replace it”."
            _say(Message("error", plain(text)))
            return
        path = config_file.save(workspace, name, config)
        draft.write(workspace, Draft(Source("saved", name), draft.flat(config)))
    except ConfigError as error:
        _say(_problems("Not saved:", error))
    except OSError as error:
        _say(Message("error", f"Not saved: {plain(os_sentence(error))}"))
    else:
        st.session_state["chosen_saved"] = name
        _say(Message("success", f"Saved to {plain(str(path))}"))


def would_replace(workspace: Workspace, source: Source, name: str) -> bool:
    """Whether saving under `name` would overwrite a configuration that is not the one being edited."""
    return name in config_file.saved(workspace) and source != Source("saved", name)


def source_line(workspace: Workspace, edited: Draft) -> str:
    """Where the form's values come from and what was changed since."""
    kind = "preset" if edited.source.kind == "preset" else "saved configuration"
    start = f"Loaded: {kind} “{plain(edited.source.name)}”."
    changed = draft.changed(workspace, edited)
    if changed is None:
        return f"{start} **Its file cannot be read any more**; save to keep these values."
    if changed:
        labels = [option.label for option in options() if option.key in changed]
        return f"{start} **Unsaved changes**: {', '.join(labels)}."
    if edited.source.kind == "preset":
        return f"{start} No changes. Save it under a name of your own to train with it."
    return f"{start} No unsaved changes."


def keep(workspace: Workspace, edited: Draft) -> None:
    """Keep what was edited for the next visit."""
    try:
        draft.write(workspace, edited)
    except OSError as error:
        st.warning(f"Changes cannot be kept for the next visit: {plain(os_sentence(error))}")
