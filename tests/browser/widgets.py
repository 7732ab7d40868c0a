"""What tests do to the elements of a page, each followed by a wait until the server has drawn the page for it."""

import json
import re
from collections.abc import Callable
from typing import Literal

from google.protobuf.message import Message
from playwright.sync_api import Locator, Page, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg, ForwardMsgMetadata, RunIdentity

from tests.waiting import PATIENCE, ticks

EPOCHS = re.compile("^Epochs")
"""The label of the option training.epochs, which goes on with its unit."""
LEFT, HEAD, ROW = 18, 35, 35
"""Pixels of a table: the middle of the column that chooses rows, and the height of its head and of a row."""


def _numbers(*messages: type[Message]) -> dict[str, int]:
    """The numbers of the fields of these messages, by name."""
    return {field.name: field.number for message in messages for field in message.DESCRIPTOR.fields}


WATCH_DRAWING = """(() => {
  const numbers = NUMBERS, early = EARLY;
  const drawing = (window.drawing = { waiting: true, run: "", another: false, quiet: 0, fragments: 0 });
  const fields = (bytes) => {  // the last value of each field of a protobuf message
    const found = {};
    let at = 0;
    const number = () => {
      let [value, scale, byte] = [0, 1, 128];
      while (byte & 128) {
        byte = bytes[at++];
        value += (byte & 127) * scale;
        scale *= 128;
      }
      return value;
    };
    while (at < bytes.length) {
      const key = number(), kind = key & 7, name = Math.floor(key / 8);
      if (kind === 2) {
        const length = number();
        found[name] = bytes.subarray(at, (at += length));
      } else if (kind === 0) {
        found[name] = number();
      } else {
        at += kind === 1 ? 8 : 4;
      }
    }
    return found;
  };
  const part = (found, name) => found[numbers[name]] ?? new Uint8Array();
  const receive = ({ data }) => {
    const message = fields(new Uint8Array(data));
    const run = fields(part(fields(part(message, "metadata")), "run"));
    const id = new TextDecoder().decode(part(run, "script_run_id")), fragment = part(run, "fragment_ids").length > 0;
    if (numbers.new_session in message) {
      drawing.another = false;
      if (!fragment) Object.assign(drawing, { waiting: false, run: id });
    } else if (numbers.script_finished in message) {
      drawing.another = message[numbers.script_finished] === early;
      if (drawing.run === id) drawing.run = "";
      if (fragment) drawing.fragments += 1;
    }
  };
  const send = WebSocket.prototype.send, watched = new WeakSet();
  WebSocket.prototype.send = function (data) {
    if (!watched.has(this)) {
      watched.add(this);
      this.addEventListener("message", receive);
    }
    const rerun = fields(data)[numbers.rerun_script];
    if (rerun && !part(fields(rerun), "fragment_id").length) drawing.waiting = true;
    send.call(this, data);
  };
})()"""
WATCH_DRAWING = WATCH_DRAWING.replace(
    "NUMBERS", json.dumps(_numbers(RunIdentity, ForwardMsgMetadata, ForwardMsg, ClientState, BackMsg))
).replace("EARLY", str(ForwardMsg.FINISHED_EARLY_FOR_RERUN))
"""A script for every page that follows what the browser asks of the server and which drawing of the page answers it.

The state that Streamlit shows in the page changes only with the first answer: right after a click it is still that of
the drawing before. Timed fragments, which redraw a part of the page without input, are counted apart.
"""
DRAWN = """() => {
  const drawing = window.drawing;
  const moves = (each) => each.playState === "running" && isFinite(each.effect.getComputedTiming().endTime);
  const busy = drawing.waiting || drawing.run || drawing.another || document.getAnimations().some(moves);
  drawing.quiet = busy ? 0 : drawing.quiet + 1;
  return drawing.quiet > 2;  // the browser needs a moment to show what has arrived
}"""


def settled(page: Page) -> None:
    """Wait until the page is drawn for all that was done to it, and stands still.

    Input to a page that is being drawn can be lost, and so can a click on a button of an expander that unfolds.
    """
    page.wait_for_function(DRAWN, polling=50)


def wait_for_fragments(page: Page, count: int) -> None:
    """Wait until timed fragments of the page have been drawn so many times more."""
    drawn = page.evaluate("drawing.fragments")
    page.wait_for_function("least => drawing.fragments >= least", arg=drawn + count, polling=50)


def no_traceback(page: Page) -> None:
    settled(page)
    assert page.get_by_test_id("stException").count() == 0, page.get_by_test_id("stException").first.inner_text()


def shows(page: Page, text: str | re.Pattern[str], exact: bool = False) -> None:
    """Wait until the page shows a text that it did not show before the last click."""
    expect(page.get_by_text(text, exact=exact).first).to_be_visible()


def metric(page: Page, label: str) -> str:
    """What the page shows under a label."""
    box = page.get_by_test_id("stMetric").filter(has=page.get_by_text(label, exact=True)).first
    return box.get_by_test_id("stMetricValue").inner_text()


def wait_for_metric(page: Page, label: str, pattern: str, seconds: float = PATIENCE) -> str:
    value = ""
    for _ in ticks(seconds):
        if re.fullmatch(pattern, value := metric(page, label)):
            return value
    raise AssertionError(f"{label} is {value!r} after {seconds} s, not {pattern!r}")


def wait_on(page: Page, condition: Callable[[], object]) -> None:
    """Wait until a condition on what the browser tells of itself is true."""
    for _ in ticks(PATIENCE):
        page.wait_for_timeout(20)  # meanwhile Playwright takes what the browser tells
        if condition():
            return
    raise AssertionError(f"not within {PATIENCE} s")


def click(page: Page, target: Locator) -> None:
    """Click an element of the drawn page, and wait until the page is drawn again if it is to be."""
    settled(page)
    target.click()
    settled(page)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def press(page: Page, name: str) -> None:
    """Click the button of this name."""
    click(page, button(page, name))


def open_tab(page: Page, name: str) -> None:
    click(page, page.get_by_role("tab", name=name, exact=True))


def customize(page: Page) -> None:
    """Unfold the fields of the Configuration page."""
    click(page, page.get_by_test_id("stExpander").get_by_text("Customize", exact=True))


def pick(page: Page, name: str) -> None:
    """Pick one of several values that stand side by side."""
    click(page, page.get_by_role("radio", name=name, exact=True))


def choose(page: Page, name: str, option: str) -> None:
    """Choose an option of the list of this name."""
    settled(page)
    page.get_by_role("combobox", name=name, exact=True).click()
    click(page, page.get_by_role("option", name=option, exact=True))


Field = Literal["textbox", "spinbutton", "searchbox"]


def type_in(page: Page, field: Field, name: str | re.Pattern[str], text: str) -> None:
    """Type into a field and press Enter."""
    settled(page)
    target = page.get_by_role(field, name=name)
    target.fill(text)
    expect(target).to_have_value(text)
    target.press("Enter")
    settled(page)


def tick(page: Page, table: Locator, *rows: int) -> None:
    """Tick rows of a table, the first is 0; the page is asked for what follows from it a moment later."""
    for row in rows:
        settled(page)
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)  # what is still loaded may move the table
        line = table.locator(f"[role=row][aria-rowindex='{row + 2}']")
        expect(line).to_be_attached()
        table.click(position={"x": LEFT, "y": HEAD + ROW * row + ROW // 2})
        expect(line).to_have_attribute("aria-selected", "true")


def record(page: Page, milliseconds: float) -> None:
    """Record from the microphone for a while."""
    press(page, "Record")
    stop = button(page, "Stop recording")
    expect(stop).to_be_enabled()
    page.wait_for_timeout(milliseconds)
    click(page, stop)
