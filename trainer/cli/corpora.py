"""The command about public corpora of speech and noise: `corpora` lists, gets and removes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from trainer.cli.terminal import AS_JOB, Session, show, work_on
from trainer.system.display_text import counted
from trainer.system.job import Report

if TYPE_CHECKING:
    from trainer.dataset.corpus_catalog import Corpus


@click.command()
@click.argument("action", type=click.Choice(("list", "get", "remove")), default="list")
@click.argument("name", default="")
@click.option(
    "--from", "source", default="", help="A folder with the archive or the unpacked corpus, or the address of a mirror."
)
@AS_JOB
@click.pass_obj
def corpora(session: Session, action: str, name: str, source: str, as_job: bool) -> None:
    """List public corpora of speech and noise, get the corpus NAME, or remove it. Only `get` uses the network.

    `get` verifies what it downloads, and imports the clips. If it is interrupted, run it again to continue. `remove`
    moves the files to the trash, and deletes what was downloaded.
    """
    from trainer.dataset import corpora as public
    from trainer.dataset import corpus_catalog

    if action == "list":
        documents = [public.document(session.workspace, corpus) for corpus in corpus_catalog.catalog(session.workspace)]
        show(session, documents, "\n".join(map(_line, documents)))
    elif action == "get":
        _get(session, corpus_catalog.find(session.workspace, name), source, as_job)
    else:
        _remove(session, corpus_catalog.find(session.workspace, name))


def _line(document: dict[str, Any]) -> str:
    state = "installed" if document["installed"] else "not installed"
    if document["downloaded_bytes"]:
        state = f"{100 * document['downloaded_bytes'] / 1e6 / document['megabytes']:.0f} % downloaded"
    size = f"{document['megabytes']:6,.0f} MB {document['hours']:6.1f} h"
    return f"{document['name']:24} {state:16} {size}  {document['licence']}  {document['label']}: {document['purpose']}"


def _get(session: Session, corpus: Corpus, source: str, as_job: bool) -> None:
    from trainer.dataset import corpus_install

    def work(report: Report) -> tuple[dict[str, Any], str]:
        installed = corpus_install.get(session.workspace, corpus, source, report)
        return installed.document(), installed.sentence()

    work_on(session, "corpora", as_job, work)


def _remove(session: Session, corpus: Corpus) -> None:
    from trainer.dataset import corpora as public

    freed = public.discard_download(session.workspace, corpus)
    document: dict[str, Any] = {"name": corpus.name, "installed": False, "change": None, "files": 0}
    if freed and not public.has_files(session.workspace, corpus):
        show(session, document, f"Deleted the download of {corpus.title} ({freed / 1e6:,.0f} MB).")
        return
    change = public.remove(session.workspace, corpus)
    text = f"{change.title}: {counted(change.files, 'file')} moved to data/trash. Empty it to free the space; `undo`"
    show(session, document | {"change": change.id, "files": change.files}, f"{text} {change.id} restores them.")


VERBS = (corpora,)
