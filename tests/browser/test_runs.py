"""The Runs page in a real browser: found, compared, named, thrown away and brought back, cloned, resumed from."""

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.widgets import EPOCHS, button, click, no_traceback, pick, press, shows, tick, type_in
from tests.run_folders import end, make_run, workspace_at
from trainer.catalog import notes, trash
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import durable

LABELS = ("kitchen", "hall", "street", "garden")


@pytest.fixture
def made(tmp_path: Path) -> list[Run]:
    """Completed runs whose seeds differ, the first with checkpoints that can go; the newest stands on top."""
    workspace, found = workspace_at(tmp_path), []
    for number, label in enumerate(LABELS, 1):
        run = make_run(workspace, number, label, epochs=10 * number, elapsed_seconds=60.0 * number)
        end(run, "completed", "All epochs are done.")
        document = Config().model_dump()
        document["training"] |= {"seed": number, "epochs": 50 + number}
        durable.replace_bytes(run.config_file, config_file.dump(config_file.build(document)))
        found.append(run)
    for epoch in (1, 5, 10):
        file = found[0].checkpoints / f"epoch-{epoch:05d}.pt"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(bytes(1_000_000))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        durable.replace_json(file.with_name(f"{file.name}.json"), {"sha256": digest})
    best = Best(epoch=10, val_loss=0.5, val_accuracy=0.9, checkpoint="epoch-00010.pt")
    durable.replace_json(found[0].checkpoints / "best.json", best.model_dump())
    return found


def choose(page: Page, *rows: int) -> None:
    """Tick rows of the table of runs, the first is 0."""
    tick(page, page.get_by_test_id("stDataFrame").first, *rows)


def counted(page: Page, text: str) -> None:
    shows(page, re.compile(f"^{text} runs, "))


def test_search_compare_and_difference(page: Page, made: list[Run]):
    with server.running(made[0].workspace, page.context) as app:
        page.goto(f"{app.address}/Runs")
        counted(page, "4 of 4")
        type_in(page, "searchbox", "Search", "training.seed<=3 -nothing")
        counted(page, "3 of 4")
        assert "q=" in page.url, "a search can be sent as a link"
        type_in(page, "searchbox", "Search", "val_los<3")
        shows(page, "did you mean val_loss?")
        type_in(page, "searchbox", "Search", "training.seed<=3")
        counted(page, "3 of 4")
        choose(page, 0, 1, 2)
        press(page, "Compare 3 runs")
        expect(page.get_by_text("3 runs compared")).to_be_visible()
        expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").nth(1)).to_be_visible()
        page.wait_for_url(re.compile(f"compare=.*{made[0].id}"), wait_until="commit")
        pick(page, "Results")
        expect(page.get_by_text("Best by Val loss: street")).to_be_visible()
        pick(page, "Options")
        expect(page.get_by_text("Only options that differ are listed.")).to_be_visible()
        page.reload()
        expect(page.get_by_text("3 runs compared")).to_be_visible()
        no_traceback(page)
        press(page, "All runs")
        counted(page, "4 of 4")
        no_traceback(page)


def test_rename_tag_trash_and_restore(page: Page, made: list[Run]):
    workspace = made[0].workspace
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Runs")
        counted(page, "4 of 4")
        choose(page, 0)
        press(page, "Star")
        shows(page, re.compile("^Starred: "))
        expect(button(page, "Compare all 4 listed runs")).to_be_visible()
        choose(page, 3)
        press(page, "Open kitchen")
        expect(page.get_by_role("heading", name="kitchen")).to_be_visible()
        press(page, "Name, tags, note")
        page.get_by_role("textbox", name="Name").fill("pantry")
        tags = page.get_by_role("combobox", name="Tags")
        tags.fill("night")
        tags.press("Enter")
        page.get_by_role("textbox", name="Note").fill("quiet")
        press(page, "Save")
        expect(page.get_by_role("heading", name="pantry")).to_be_visible()
        found = notes.read(made[0])
        assert (found.name, found.tags, found.note) == ("pantry", ("night",), "quiet")
        assert notes.read(made[3]).starred
        press(page, "Move to Trash")
        shows(page, "is in the trash")
        assert [run.id for run in trash.all_of(workspace)] == [made[0].id]
        page.goto(f"{app.address}/Runs")
        counted(page, "3 of 3")
        pick(page, "Trash (1)")
        expect(button(page, "Delete permanently")).to_be_visible()
        choose(page, 0)
        press(page, "Restore")
        shows(page, "The trash is empty.")
        assert made[0].folder.is_dir() and notes.read(made[0]).tags == ("night",)
        no_traceback(page)


def test_clone_into_the_configuration_and_free_space(page: Page, made: list[Run]):
    with server.running(made[0].workspace, page.context) as app:
        page.goto(f"{app.address}/Runs?run={made[0].id}")
        press(page, "Free space")
        click(page, page.get_by_text("Show what can be deleted"))
        press(page, "Free 2.0 MB")
        shows(page, re.compile("Freed 2.0 MB of run"))
        assert sorted(path.name for path in made[0].checkpoints.glob("*.pt")) == ["epoch-00010.pt"]
        page.keyboard.press("Escape")
        press(page, "Clone and Edit")
        shows(page, re.compile(f"Loaded: configuration of run .{made[0].id}."))
        expect(page.get_by_role("spinbutton", name=EPOCHS).first).to_have_value("51")
        no_traceback(page)
