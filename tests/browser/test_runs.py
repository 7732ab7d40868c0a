"""The Runs page in a real browser: found, compared, named, thrown away and brought back, cloned, resumed from."""

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import app as server
from tests.browser.test_walk import button, no_traceback, settled, type_in
from tests.run_folders import end, make_run, workspace_at
from trainer.catalog import notes, trash
from trainer.config import config_file
from trainer.config.schema import Config
from trainer.run.documents import Best
from trainer.run.runs import Run
from trainer.system import durable

ROW, HEAD, LEFT = 35, 35, 18
"""Pixels of the table: the height of a row and of its head, and the middle of the column that chooses."""
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
    """Tick rows of the table, the first is 0."""
    for row in rows:
        settled(page)
        table = page.get_by_test_id("stDataFrame").first
        table.scroll_into_view_if_needed()
        box = table.bounding_box()
        page.mouse.click(box["x"] + LEFT, box["y"] + HEAD + ROW * row + ROW // 2)
    settled(page)


def counted(page: Page, text: str) -> None:
    expect(page.get_by_text(re.compile(f"^{text} runs, ")).first).to_be_visible()


def test_search_compare_and_difference(page: Page, made: list[Run]):
    with server.running(made[0].workspace, page.context) as app:
        page.goto(f"{app.address}/Runs")
        counted(page, "4 of 4")
        type_in(page, "searchbox", "Search", "training.seed<=3 -nothing")
        counted(page, "3 of 4")
        assert "q=" in page.url, "a search can be sent as a link"
        type_in(page, "searchbox", "Search", "val_los<3")
        expect(page.get_by_text("did you mean val_loss?").first).to_be_visible()
        type_in(page, "searchbox", "Search", "training.seed<=3")
        counted(page, "3 of 4")
        choose(page, 0, 1, 2)
        button(page, "Compare 3 runs").click()
        expect(page.get_by_text("3 runs compared")).to_be_visible()
        expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").nth(1)).to_be_visible()
        page.wait_for_url(re.compile(f"compare=.*{made[0].id}"))
        page.get_by_role("radio", name="Results").click()
        expect(page.get_by_text("Best by Val loss: street")).to_be_visible()
        page.get_by_role("radio", name="Options").click()
        expect(page.get_by_text("Only options that differ are listed.")).to_be_visible()
        page.reload()
        expect(page.get_by_text("3 runs compared")).to_be_visible()
        no_traceback(page)
        button(page, "All runs").click()
        counted(page, "4 of 4")
        no_traceback(page)


def test_rename_tag_trash_and_restore(page: Page, made: list[Run]):
    workspace = made[0].workspace
    with server.running(workspace, page.context) as app:
        page.goto(f"{app.address}/Runs")
        counted(page, "4 of 4")
        choose(page, 0)
        button(page, "Star").click()
        expect(page.get_by_text(re.compile("Starred: ")).first).to_be_visible()
        expect(button(page, "Compare all 4 listed runs")).to_be_visible()
        choose(page, 3)
        button(page, "Open kitchen").click()
        expect(page.get_by_role("heading", name="kitchen")).to_be_visible()
        settled(page)
        button(page, "Name, tags, note").click()
        page.get_by_role("textbox", name="Name").fill("pantry")
        tags = page.get_by_role("combobox", name="Tags")
        tags.fill("night")
        tags.press("Enter")
        page.get_by_role("textbox", name="Note").fill("quiet")
        button(page, "Save").click()
        expect(page.get_by_role("heading", name="pantry")).to_be_visible()
        found = notes.read(made[0])
        assert (found.name, found.tags, found.note) == ("pantry", ("night",), "quiet")
        assert notes.read(made[3]).starred
        button(page, "Move to Trash").click()
        expect(page.get_by_text("is in the trash").first).to_be_visible()
        assert [run.id for run in trash.all_of(workspace)] == [made[0].id]
        page.goto(f"{app.address}/Runs")
        counted(page, "3 of 3")
        page.get_by_role("radio", name="Trash (1)").click()
        expect(button(page, "Delete permanently")).to_be_visible()
        choose(page, 0)
        button(page, "Restore").click()
        expect(page.get_by_text("The trash is empty.").first).to_be_visible()
        assert made[0].folder.is_dir() and notes.read(made[0]).tags == ("night",)
        no_traceback(page)


def test_clone_into_the_configuration_and_free_space(page: Page, made: list[Run]):
    with server.running(made[0].workspace, page.context) as app:
        page.goto(f"{app.address}/Runs?run={made[0].id}")
        settled(page)
        button(page, "Free space").click()
        page.get_by_text("Show what can be deleted").click()
        button(page, "Free 2.0 MB").click()
        expect(page.get_by_text(re.compile("Freed 2.0 MB of run")).first).to_be_visible()
        assert sorted(path.name for path in made[0].checkpoints.glob("*.pt")) == ["epoch-00010.pt"]
        page.keyboard.press("Escape")
        button(page, "Clone and Edit").click()
        expect(page.get_by_text(re.compile(f"Loaded: configuration of run .{made[0].id}.")).first).to_be_visible()
        expect(page.get_by_role("spinbutton", name=re.compile("^Epochs")).first).to_have_value("51")
        no_traceback(page)
