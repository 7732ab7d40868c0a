"""The section Public sound of the Dataset page."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.corpus_server import READ, corpus_of, declare, read_speech
from tests.pages.tools import checked, draw, field, press
from tests.tiny import ignore
from trainer.dataset import corpora, corpus_catalog, corpus_install
from trainer.system import job
from trainer.system.workspace import Workspace

ARCHIVE = read_speech(clips=1)


@pytest.fixture
def declared(empty, tmp_path) -> Workspace:
    """A workspace with one more corpus, whose archive lies in a folder."""
    corpus = corpus_of(ARCHIVE, "http://127.0.0.1:9/dev-clean.tar.gz", title="Mine <b>", megabytes=1)
    declare(empty, corpus)
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / corpus.archive).write_bytes(ARCHIVE)
    return empty


def own(workspace: Workspace) -> corpus_catalog.Corpus:
    return corpus_catalog.find(workspace, READ)


def click(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def test_every_corpus_tells_its_cost_purpose_and_licence(declared):
    app = draw("Dataset")
    assert "Public sound" in {tab.label for tab in app.tabs}
    shown = " ".join(element.value for element in [*app.markdown, *app.caption])
    for corpus in corpus_catalog.CATALOG:
        assert f"{corpus.megabytes:,.0f} MB · {corpus.hours:g} h · Licence: {corpus.licence}" in shown, corpus.name
        assert f"({corpus.homepage})" in shown
    assert (
        "**Mine \\<b\\>**  \n`stream`: English read aloud" in shown
        and "Nothing is downloaded until you click Get" in shown
    )


def test_one_click_starts_the_job_with_the_mirror(declared, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append((verb, arguments)))
    app = click(draw("Dataset"), f"get_{READ}")
    field(app, "text_input", "Mirror or folder (optional)").set_value(" http://127.0.0.1:1/mirror ")
    click(app, "get_librispeech-dev-clean")
    assert started == [
        ("corpora", ["get", READ, "--from="]),
        ("corpora", ["get", "librispeech-dev-clean", "--from=http://127.0.0.1:1/mirror"]),
    ]


def test_a_folder_outside_the_allowed_ones_is_refused(declared, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "start", lambda *arguments: pytest.fail("a job was started"))
    monkeypatch.setenv("WAKEWORD_IMPORT_ROOTS", str(tmp_path / "elsewhere"))
    app = draw("Dataset")
    field(app, "text_input", "Mirror or folder (optional)").set_value(str(tmp_path / "shelf"))
    assert "is not inside" in click(app, f"get_{READ}").error[0].value


def test_an_incomplete_download_is_continued_or_discarded(declared, monkeypatch):
    started = []
    monkeypatch.setattr(job, "start", lambda workspace, verb, arguments: started.append(arguments[1]))
    part = corpora.download_folder(declared, own(declared)) / "dev-clean.tar.gz.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(370_000))
    app = draw("Dataset")
    assert any(":orange-badge[37% downloaded]" in element.value for element in app.markdown)
    app = press(app, "Continue")
    assert started == [READ]
    app = press(app, "Discard")
    assert "Deleted the download of Mine" in app.success[0].value and not part.exists()
    assert app.button(key=f"get_{READ}").label == "Get"


def test_an_installed_corpus_is_removed_by_one_click(declared, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "start", lambda *arguments: None)
    corpus_install.get(declared, own(declared), str(tmp_path / "shelf"), ignore)
    app = draw("Dataset")
    assert any(":green-badge[Installed]" in element.value for element in app.markdown)
    app = click(app, f"remove_{READ}")
    assert app.success[0].value == "Removed Mine \\<b\\>. To undo it, open Changes."
    assert not corpora.is_installed(declared, own(declared)) and app.button(key=f"get_{READ}").label == "Get"


def test_a_list_of_corpora_that_is_not_valid_is_told(declared):
    (declared.root / "data" / corpus_catalog.OWN_FILE).write_text("[1]")
    app = draw("Dataset")
    assert "corpora.json is not a list of corpora" in app.error[0].value and "Scan Datasets" in {
        button.label for button in app.button
    }
