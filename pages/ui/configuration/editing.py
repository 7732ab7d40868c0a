"""What the buttons of the Configuration page do to the edited configuration, and what they have to say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import streamlit as st

from pages.ui.configuration import config_check, current_draft, draft, form
from pages.ui.configuration.draft import Draft, Source
from pages.ui.shared import metrics
from pages.ui.shared.frame import os_sentence, plain
from trainer.config import config_file, saved_configs
from trainer.config.config_file import ConfigError, Problem
from trainer.config.option_list import options
from trainer.estimates import requirements
from trainer.system.workspace import Workspace

MESSAGES = "configuration_messages"
OFFER_REPLACE = "offer_replace"
"""The name that was refused when the form was saved; it may be replaced on purpose."""
MOST_TOLD = 40
"""Problems in one message: as many as there are options, and not the thousands of a file that is something else."""
LEFT = "left_draft"
"""Unsaved changes over which something else was loaded in this tab; they can be brought back until the next save."""
KINDS = {"preset": "preset", "saved": "saved configuration", "run": "configuration of run", "file": "file"}


@dataclass(frozen=True)
class Message:
    """One thing to say after a click, as Markdown."""

    tone: Literal["error", "warning", "success"]
    text: str


def show_messages() -> None:
    """Show what the last click led to, once."""
    for message in st.session_state.pop(MESSAGES, []):
        {"error": st.error, "warning": st.warning, "success": st.success}[message.tone](message.text)


def say(*messages: Message) -> None:
    st.session_state[MESSAGES] = list(messages)


def refuse(error: ValueError | OSError, head: str = "") -> None:
    """Say why a click did not do what it was meant to."""
    text = os_sentence(error) if isinstance(error, OSError) and error.strerror else str(error)
    say(Message("error", plain(f"{head} {text}")))


def problem_sentence(problem: Problem) -> str:
    """A problem with the label that stands on the page and the name that stands in files."""
    labels = {option.key: option.label for option in options()}
    name = f"{labels[problem.option]} ({problem.option})" if problem.option in labels else problem.option
    return plain(f"{name}: {problem.message}" if name else problem.message)


def problems_message(head: str, problems: list[Problem]) -> Message:
    """All problems in one message."""
    if len(problems) == 1:
        return Message("error", f"{head} {problem_sentence(problems[0])}")
    lines = "\n".join(f"- {problem_sentence(problem)}" for problem in problems[:MOST_TOLD])
    if len(problems) > MOST_TOLD:
        lines += f"\n- and {len(problems) - MOST_TOLD:,} more"
    return Message("error", f"{head} It has {len(problems):,} problems:\n\n{lines}")


def as_it_stands(workspace: Workspace) -> Draft:
    """What the fields hold at this moment, kept. In a callback this is newer than what was drawn last."""
    return current_draft.keep_values(workspace, form.current(current_draft.current(workspace).values))


def take(workspace: Workspace, taken: Draft) -> None:
    """Put a draft into the form, over what stood there."""
    st.session_state.pop(OFFER_REPLACE, None)
    left = as_it_stands(workspace)
    if left.changed() and left.values != taken.values:
        st.session_state[LEFT] = left
    form.fill(taken.values)
    current_draft.keep(workspace, taken)
    st.session_state["save_name"] = offered_name(workspace, taken.source)


def show_left(workspace: Workspace) -> None:
    """Offer the unsaved changes that the last load went over."""
    left: Draft | None = st.session_state.get(LEFT)
    if left:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Unsaved changes were left behind: {changed_labels(left)}.", width="content")
            st.button("Bring Back", on_click=_bring_back, args=(workspace,))


def _bring_back(workspace: Workspace) -> None:
    left: Draft | None = st.session_state.pop(LEFT, None)
    if left:
        take(workspace, left)


def load(workspace: Workspace, source: Source) -> None:
    """Take a configuration into the form; one with problems is told and the form stays as it is."""
    try:
        taken = draft.load(workspace, source)
    except ConfigError as error:
        say(problems_message(f"{plain(source.name)} cannot be loaded.", error.problems))
    except OSError as error:
        refuse(error, f"{source.name} cannot be loaded:")
    else:
        take(workspace, taken)


def load_chosen(workspace: Workspace, kind: Literal["preset", "saved", "run"]) -> None:
    """Load what the list of this kind shows."""
    if name := st.session_state.get(f"chosen_{kind}"):
        load(workspace, Source(kind, name))
    else:
        say(Message("warning", "Nothing is saved yet; load a preset and save it under a name of your own."))


def reset(workspace: Workspace) -> None:
    """Back to where the configuration came from, as that is now; to what was opened when it is gone."""
    edited = current_draft.current(workspace)
    if edited.source.kind == "file":
        take(workspace, replace(edited, values=edited.before))
        return
    try:
        taken = draft.load(workspace, edited.source)
    except (ConfigError, OSError):
        taken = replace(edited, values=edited.before)
    take(workspace, taken)


def validate(workspace: Workspace) -> None:
    """Tell every problem of the form at once, or that there is none, with what the training may need."""
    edited = as_it_stands(workspace)
    found = config_check.check(workspace, edited)
    if found.problems or found.config is None or found.needs is None:
        say(problems_message("The configuration is not valid.", found.problems))
        return
    ram, gpu = found.needs.memory_bytes, found.needs.gpu_memory_bytes
    memory = f"about {metrics.gigabytes(ram)} on the CPU or {metrics.gigabytes(gpu)} on a GPU, by estimate"
    fits = requirements.fitting_sentence(found.config, found.machine)
    valid = f"Configuration is valid. Memory of the training: {memory}. {fits}"
    say(Message("success", valid), *(Message("warning", problem_sentence(each)) for each in found.warnings))


def save(workspace: Workspace) -> None:
    """Save the form under the name on the page, if it is valid and replaces nothing by accident."""
    edited = as_it_stands(workspace)
    name, config = st.session_state.get("save_name", "").strip(), None
    try:
        config = config_file.build(draft.document(edited))
        seen = edited.seen if edited.source == Source("saved", name) else saved_configs.ABSENT
        path = saved_configs.save(workspace, name, config, None if st.session_state.get(replace_key(name)) else seen)
        current_draft.keep(workspace, draft.of_config(config, Source("saved", name), saved_configs.digest_of(config)))
    except ConfigError as error:
        head = "Not saved:" if config else "Not saved: the configuration is not valid."
        say(problems_message(head, error.problems))
    except (ValueError, OSError) as error:
        st.session_state[OFFER_REPLACE] = name if isinstance(error, ValueError) else ""
        refuse(error, "Not saved:")
    else:
        st.session_state["chosen_saved"] = name
        for key in (OFFER_REPLACE, LEFT):
            st.session_state.pop(key, None)
        say(Message("success", f"Saved to {plain(str(path))}"))


def replace_key(name: str) -> str:
    """The key of the tick that allows to replace `name`, and no other configuration that is named afterwards."""
    return f"replace.{name}"


def would_replace(workspace: Workspace, source: Source, name: str) -> bool:
    """Whether saving under `name` would overwrite something else than what is being edited, or was refused to."""
    another = name in config_file.saved(workspace) and source != Source("saved", name)
    return another or (bool(name) and st.session_state.get(OFFER_REPLACE) == name)


def offered_name(workspace: Workspace, source: Source) -> str:
    """The name to offer for saving: that of the user's own file, or one that no file has yet."""
    if source.kind == "saved":
        return source.name
    base = f"my-{source.name}" if source.kind in ("preset", "run") else source.name
    fits = config_file.NAME.fullmatch(base)
    return saved_configs.free_name(workspace, base if fits else "my-configuration")


def changed_labels(edited: Draft) -> str:
    """The edited options as a person reads them."""
    changed = edited.changed()
    return ", ".join(option.label for option in options() if option.key in changed)


def source_line(workspace: Workspace, edited: Draft) -> str:
    """Where the form's values come from, what was changed since, and what became of their file."""
    start = f"Loaded: {KINDS[edited.source.kind]} “{plain(edited.source.name)}”."
    saved = edited.source.kind == "saved"
    now = saved_configs.digest(workspace, edited.source.name) if saved else edited.seen
    if saved and now == saved_configs.ABSENT:
        start += " **Its file is gone**; “Save Configuration” writes it anew."
    elif now != edited.seen:
        start += " **Its file was changed elsewhere since**; “Load” or “Reset” shows what it holds now."
    if edited.changed():
        return f"{start} **Unsaved changes**: {changed_labels(edited)}."
    if saved:
        return start if now != edited.seen else f"{start} No unsaved changes."
    return f"{start} No changes. Save it under a name of your own to train with it."
