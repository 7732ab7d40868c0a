"""What a browser does when the run that it watches ends: a notification, a tone, each switched on for one tab."""

from __future__ import annotations

import streamlit as st

from pages.ui.shared.words import notice, state_word
from trainer.run import runs
from trainer.run.runs import Run
from trainer.run.state import ACTIVE

_SHARED = """
const KEPT = "wakeword.bell";  // of this tab alone, and outlives its reload
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
<label><input type="checkbox" role="switch"> Notify in this browser</label>
<label><input type="checkbox" role="switch"> Play a sound</label>
<p role="status"></p>
"""

_SWITCHES_CSS = """
label { display: block; padding: 0.2rem 0; cursor: pointer; font-size: 0.875rem; }
input { accent-color: var(--st-primary-color); margin: 0 0.4rem 0 0; }
p { margin: 0.2rem 0 0; font-size: 0.8rem; opacity: 0.75; }
p:empty { display: none; }
"""

_SWITCHES_JS = f"""{_SHARED}
const BLOCKED = "This browser blocks notifications from this page; allow them beside its address.";
const CANNOT = "This browser notifies only for pages at localhost, 127.0.0.1 or https.";
const UNANSWERED = "Not switched on: the browser's question was not answered.";

export default function ({{ parentElement }}) {{
  const [notify, sound] = parentElement.querySelectorAll("input");
  const draw = (hint) => {{
    notify.disabled = !can;
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
    """Two switches that live in the browser: only there can permission be asked and sound be let through."""
    _switches(key="bell_switches")


def watch(run: Run) -> None:
    """Tell the browser how the watched run stands; it acts when a run that it knew active has ended.

    To be called after the live view was drawn: that view has the page drawn anew for every run it saw active.
    """
    status = runs.status(run)
    said = notice(status)
    _watch(
        key="bell_watch",
        data={
            "run": run.id,
            "active": status.state in ACTIVE,
            "title": f"{state_word(status.state)}: {status.label}",
            "text": said.text if said else "",
        },
    )
