"""Notifications that a run has ended: from this browser tab, and from the run itself without a browser."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import streamlit as st

from pages.ui.shared.frame import error_sentence, plain
from pages.ui.shared.run_notice import notice, state_word
from trainer.run import notifications, runs
from trainer.run.notifications import ENDS, Notifications
from trainer.run.runs import Run
from trainer.run.state import ACTIVE
from trainer.system.workspace import Workspace

_SHARED = """
const KEPT = "wakeword.bell";  // per tab; survives a reload
const wanted = () => JSON.parse(sessionStorage.getItem(KEPT) || "{}");
const can = window.isSecureContext && "Notification" in window;
const allowed = () => can && Notification.permission === "granted";

function tone() {
  const context = new AudioContext();
  const [sound, loudness] = [context.createOscillator(), context.createGain()];
  const start = context.currentTime + 0.05;
  sound.frequency.setValueAtTime(660, start);
  sound.frequency.setValueAtTime(880, start + 0.15);
  loudness.gain.setValueAtTime(0.2, start);
  loudness.gain.linearRampToValueAtTime(0, start + 0.5);
  sound.connect(loudness).connect(context.destination);
  sound.onended = () => context.close();
  sound.start(start);
  sound.stop(start + 0.5);
}
"""

_SWITCHES_HTML = """
<label><input type="checkbox" role="switch" disabled> Notify in this browser</label>
<label><input type="checkbox" role="switch" disabled> Play a sound</label>
<p role="status"></p>
"""

_SWITCHES_CSS = """
label { display: block; padding: 0.2rem 0; cursor: pointer; font-size: 0.875rem; }
input { accent-color: var(--st-primary-color); margin: 0 0.4rem 0 0; }
p { margin: 0.2rem 0 0; font-size: 0.8rem; opacity: 0.75; }
p:empty { display: none; }
"""

_SWITCHES_JS = f"""{_SHARED}
const BLOCKED = "This browser blocks notifications from this page. Allow them in the site settings.";
const CANNOT = "Notifications work only on pages at localhost, 127.0.0.1 or https.";
const UNANSWERED = "Not enabled: the browser's permission prompt was not answered.";

export default function ({{ parentElement }}) {{
  const [notify, sound] = parentElement.querySelectorAll("input");
  const draw = (hint) => {{
    notify.disabled = !can;
    sound.disabled = false;  // before this script runs, a click would be lost
    notify.checked = Boolean(wanted().notify) && allowed();
    sound.checked = Boolean(wanted().sound);
    const blocked = can && Notification.permission === "denied";
    parentElement.querySelector("p").textContent = !can ? CANNOT : blocked ? BLOCKED : hint;
  }};
  const keep = (changed) => sessionStorage.setItem(KEPT, JSON.stringify({{ ...wanted(), ...changed }}));
  notify.onchange = async () => {{
    const on = notify.checked;
    if (on) await Notification.requestPermission();  // browsers ask only while a click is being handled
    keep({{ notify: on && allowed() }});
    draw(on && !allowed() ? UNANSWERED : "");
  }};
  sound.onchange = () => {{
    keep({{ sound: sound.checked }});
    if (sound.checked) tone();
    draw("");
  }};
  draw("");
}}
"""

_WATCH_JS = f"""{_SHARED}
export default function ({{ parentElement, data }}) {{
  const before = parentElement.watched;
  parentElement.watched = data;
  if (before?.run !== data.run || !before.active || data.active) return;
  if (wanted().sound) tone();
  if (!wanted().notify || !allowed()) return;
  try {{
    new Notification(data.title, {{ body: data.text, tag: data.run }});  // equal tags: two tabs show one
  }} catch {{
    return;  // browsers of phones let only service workers notify
  }}
}}
"""

_switches = st.components.v2.component(
    "wakeword_bell_switches", html=_SWITCHES_HTML, css=_SWITCHES_CSS, js=_SWITCHES_JS
)
_watch = st.components.v2.component("wakeword_bell_watch", html="", js=_WATCH_JS)


def switches() -> None:
    """Two switches in the browser, which alone can ask for permission and play sound."""
    _switches(key="bell_switches")


def watch(run: Run) -> None:
    """Pass the state of the watched run to the browser, which notifies when a run that was active has ended.

    Call this after the live view, which reruns the page when an active run ends.
    """
    status = runs.status(run)
    message = notice(status)
    _watch(
        key="bell_watch",
        data={
            "run": run.id,
            "active": status.state in ACTIVE,
            "title": f"{state_word(status.state)}: {status.label}",
            "text": message.text if message else "",
        },
    )


WEBHOOK_HELP = "Receives a JSON document by POST; its `text` is a one-line summary. The run itself sends it."
COMMAND_NOTE = 'To also run a command, use the command line: `python -m trainer tell --command "..."`'


def form(workspace: Workspace) -> None:
    """Draw the popover with all notification settings."""
    with st.popover("Notifications", icon=":material/notifications:"):
        st.markdown("**While this tab is open**")
        switches()
        st.markdown("**Without a browser**")
        try:
            wanted = notifications.read(workspace)
        except ValueError as error:
            st.error(plain(str(error)))
            return
        _without_browser(workspace, wanted)


def _without_browser(workspace: Workspace, wanted: Notifications) -> None:
    with st.form("tell", border=False):
        webhook = st.text_input("Webhook", wanted.webhook, placeholder="https://", help=WEBHOOK_HELP)
        ends = st.pills("When a run is", ENDS, selection_mode="multi", default=wanted.ends, format_func=state_word)
        st.caption(COMMAND_NOTE)
        if wanted.command:
            st.code(shlex.join(wanted.command), language=None, wrap_lines=True)
        with st.container(horizontal=True):
            save = st.form_submit_button("Save", type="primary")
            test = st.form_submit_button("Send a test")
    try:
        if save:
            _save(workspace, wanted, webhook, ends)
        if test:
            _test(workspace, wanted.model_copy(update={"webhook": notifications.checked_webhook(webhook)}))
    except (ValueError, OSError) as error:
        st.error(plain(error_sentence(error)))


def _save(workspace: Workspace, wanted: Notifications, webhook: str, ends: Sequence[str]) -> None:
    changes = {"webhook": notifications.checked_webhook(webhook), "ends": notifications.checked_ends(ends)}
    notifications.write(workspace, wanted.model_copy(update=changes))
    st.success("Saved. This also applies to runs in progress.")


def _test(workspace: Workspace, wanted: Notifications) -> None:
    """Send a test to the targets in the form, saved or not."""
    with st.spinner("Sending"):
        results = notifications.send_test(workspace, wanted)
    for result in results:
        (st.success if result.well else st.error)(plain(result.text))
