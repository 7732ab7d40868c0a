"""The clips whose label the newest training doubts, on the Dataset page."""

import re
import shutil

import numpy as np
import pytest

from tests.evaluation.test_wrong_labels import DOUBTED, score_clips
from tests.pages.tools import draw, press, texts
from tests.run_folders import end, make_run
from trainer.dataset import changes
from trainer.run.runs import Run
from trainer.system import job
from trainer.system.workspace import Workspace


@pytest.fixture
def run(workspace: Workspace, monkeypatch) -> Run:
    """A run that doubts two clips; scans are not started."""
    monkeypatch.setattr(job, "start", lambda *arguments: None)
    made = make_run(workspace)
    end(made, "completed", "done")
    score_clips(workspace, made, DOUBTED)
    return made


def marked(app) -> list[str]:
    """Every Markdown text as a person reads it."""
    return [re.sub(r"[\\\u2060]", "", each.value) for each in app.markdown]


def listed(app) -> list[str]:
    return [path for path in DOUBTED if any(f"**{path}**" in text for text in marked(app))]


def keyed(app, name: str, path: str):
    return next(button for button in app.button if button.key == f"suspect_{name}_{path}")


def test_each_is_listed_to_hear_and_can_be_confirmed_and_that_undone(workspace: Workspace, run: Run):
    app = draw("Dataset")
    assert listed(app) == list(DOUBTED) and len(app.get("audio")) == 2
    assert any("Doubtful labels" in text for text in marked(app))
    keyed(app, "_confirm", DOUBTED[0]).click()
    app.run()
    assert not app.exception and listed(app) == [DOUBTED[1]]
    assert any(f"Confirmed the label of {DOUBTED[0]}" in text for text in texts(app))
    press(app, "Undo")
    assert listed(app.run()) == list(DOUBTED)


def test_relabel_and_quarantine_move_the_clip(workspace: Workspace, run: Run):
    app = draw("Dataset")
    label = next(box for box in app.selectbox if box.key == f"suspect_label_{DOUBTED[0]}")
    assert label.value == "negative"
    label.set_value("hard_negative")
    keyed(app, "_relabel", DOUBTED[0]).click()
    assert not app.run().exception
    assert (workspace.raw / DOUBTED[0].replace("positive", "hard_negative")).is_file()
    keyed(app, "_quarantine", DOUBTED[1]).click()
    assert not app.run().exception
    assert not (workspace.raw / DOUBTED[1]).exists() and len(changes.recent(workspace)) == 2


def test_clips_that_are_gone_and_scores_of_elsewhere_break_nothing(workspace: Workspace, run: Run):
    (workspace.raw / DOUBTED[0]).unlink()
    assert any("no longer exists" in warning.value for warning in draw("Dataset").warning)
    shutil.rmtree(workspace.raw / "negative")
    draw("Dataset")
    run.label_scores_file.write_bytes(b'{"epochs": 40, "clips": [{"path": "../../etc/passwd"}]}')
    assert listed(draw("Dataset")) == []


def test_ten_are_shown_at_first(workspace: Workspace, run: Run, monkeypatch):
    from trainer.evaluation import wrong_labels

    monkeypatch.setattr(wrong_labels, "MOST_SHARE", 1.0)
    monkeypatch.setattr(wrong_labels, "DEVIATIONS", 0.0)
    rng = np.random.default_rng(0)
    score_clips(workspace, run, tuple(f"positive/voice{rng.integers(8)}/{n}.wav" for n in range(3)))
    app = draw("Dataset")
    assert len(app.get("audio")) == 10
    more = next(button for button in app.button if button.key == "more_suspects")
    more.click()
    assert len(app.run().get("audio")) > 10
