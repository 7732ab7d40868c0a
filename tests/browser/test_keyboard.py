"""The keyboard alone reaches everything on every page, shows where it is, and leaves what it opens."""

from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.test_accessibility import STILL, made  # noqa: F401 - a fixture
from tests.browser.widgets import customize, open_tab, settled
from tests.waiting import ticks
from trainer.run.runs import Run

MOST_TABS = 250
WATCH = """() => {
  const reachable = 'a[href], button, input, select, textarea, [role=combobox], [role=slider], summary';
  const shown = each => each.checkVisibility({visibilityProperty: true, opacityProperty: true})
    && !each.disabled && each.tabIndex >= 0 && !each.closest('[inert], [aria-hidden=true]')
    && !(each.role === 'radio' || each.type === 'radio');  // of a group, one is reached by Tab and the others by arrows
  const look = each => {
    const styles = [];
    for (let at = each, up = 0; at && up < 4; at = at.parentElement, up += 1) {
      for (const part of [at, ...(up ? at.children : [])]) {
        const style = getComputedStyle(part);
        styles.push(style.outline, style.boxShadow, style.borderColor, style.backgroundColor, style.textDecoration);
      }
    }
    return styles.join();
  };
  const name = each => (each.ariaLabel || each.textContent || each.placeholder || each.outerHTML).trim().slice(0, 60);
  document.activeElement?.blur();
  window.scrollTo(0, 0);
  const left = new Map([...document.querySelectorAll(reachable)].filter(shown).map(each => [each, look(each)]));
  const looks = new Map(left), unseen = [];
  window.keyboard = {
    step: async () => {
      await new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)));
      const each = document.activeElement;
      if (!each || each === document.body) return 'out';
      if (looks.has(each) && left.has(each) && look(each) === looks.get(each)) unseen.push(name(each));
      left.delete(each);
      return name(each);
    },
    left: () => [...left.keys()].filter(shown).map(name),
    unseen,
  };
}"""


def faults(page: Page, where: str) -> list[str]:
    """What Tab does not reach on the page as it is, or reaches without a sign."""
    settled(page)
    page.add_style_tag(content=STILL)
    page.evaluate(WATCH)
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        page.evaluate("keyboard.step()")
        if not page.evaluate("keyboard.left().length"):
            break
    found = [f"not reached: {name}" for name in page.evaluate("keyboard.left()")]
    found += [f"no sign of focus: {name}" for name in page.evaluate("keyboard.unseen")]
    return [f"{where}: {each}" for each in found]


def popover_faults(page: Page, name: str) -> list[str]:
    """Whether the keyboard opens a popover, gets into it, and Escape closes it and leads back to its button."""
    button = page.get_by_test_id("stPopover").filter(has_text=name).get_by_role("button")
    body = page.get_by_test_id("stPopoverBody")
    settled(page)
    button.focus()
    page.keyboard.press("Enter")
    expect(body).to_be_visible()
    inside = "document.querySelector('[data-testid=stPopoverBody]')?.contains(document.activeElement)"
    for _ in ticks(5):  # fields may still be loaded
        page.keyboard.press("Tab")
        if page.evaluate(inside):
            break
    found = [] if page.evaluate(inside) else [f"popover {name}: Tab does not get into it"]
    page.keyboard.press("Escape")
    expect(body).to_have_count(0)
    if not button.evaluate("each => each === document.activeElement"):
        found.append(f"popover {name}: Escape does not lead back to its button")
    return found


def test_the_keyboard_reaches_and_leaves_everything(page: Page, made: list[Run]):  # noqa: F811
    done, failed, running = (f"?run={run.id}" for run in made)
    found = []
    with server.running(made[0].workspace, page.context) as app:

        def look(address: str) -> list[str]:
            page.goto(f"{app.address}/{address}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            return faults(page, address or "Home")

        found += look("")
        found += look("Dataset")
        for tab in ("Import", "Record", "Room", "Synthesise"):
            open_tab(page, tab)
            found += faults(page, f"Dataset, {tab}")
        found += look("Configuration")
        customize(page)
        found += faults(page, "Configuration, Customize")
        found += look(f"Training{running}")
        for name in ("Notifications", "Queue"):
            found += popover_faults(page, name)
        found += look(f"Training{failed}")
        for section in ("Streams", "Clips", "Listen", "Compare", "Model"):
            found += look(f"Evaluation{done}&section={section}")
        found += look("Runs")
        for name in ("Columns", "Import a run", "TensorBoard"):
            found += popover_faults(page, name)
        found += look(f"Runs{done}")
        for name in ("Name, tags, note", "Free space", "Extend"):
            found += popover_faults(page, name)
        found += look(f"Runs?compare={','.join(run.id for run in made)}")
    assert not found, "\n".join(found)
