"""Installs a public corpus: downloads or finds its archive, verifies and unpacks it, and imports the clips."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.dataset import corpora, importing
from trainer.dataset.changes import Change
from trainer.dataset.corpora import Corpus, Record
from trainer.system import download, durable, limited_process, processes
from trainer.system.display_text import counted
from trainer.system.job import Report
from trainer.system.workspace import Workspace

PROCESS = "trainer.dataset.tar_process"
MIRROR_VARIABLE = "WAKEWORD_CORPORA_MIRROR"
"""An address or a folder that is used instead of the addresses of the catalog."""
Files = list[tuple[str, Path]]
"""(path below data/raw, staged file)."""


@dataclass(frozen=True)
class Installed:
    """A corpus after `get`: the change that brought clips, None if all were there, and clips by label."""

    corpus: Corpus
    change: Change | None
    counts: Counter[str]

    def sentence(self) -> str:
        if not self.change:
            return f"{self.corpus.title} is already installed."
        counts = ", ".join(f"{counted(count, 'clip')} into {label}" for label, count in self.counts.items())
        return f"Installed {self.corpus.title}: {counts}. Next, scan and split."

    def document(self) -> dict[str, Any]:
        change = self.change.id if self.change else None
        return {"name": self.corpus.name, "installed": True, "change": change, "imported": self.counts}


def get(workspace: Workspace, corpus: Corpus, source: str, report: Report) -> Installed:
    """Install a corpus from `source`, a folder or the address of a mirror; by default from its own address.

    A folder holds the archive, which must have the published digest, or the unpacked corpus. Raises ValueError for bad
    input, OSError (DownloadError) with a sentence when it cannot be downloaded, stored or unpacked; called again, it
    continues.
    """
    source = source or os.environ.get(MIRROR_VARIABLE, "")
    with _only_one(workspace, corpus):
        if corpora.is_installed(workspace, corpus):
            return Installed(corpus, None, Counter())
        corpora.record_file(workspace, corpus).unlink(missing_ok=True)
        local = None if not source or is_address(source) else importing.check_folder(source)
        with importing.staging(workspace) as (change_id, folder):
            if local and not (local / corpus.archive).is_file():
                files = _copies(corpus, local, folder, report)
            else:
                archive = local / corpus.archive if local else _downloaded(workspace, corpus, source, report)
                if local:
                    download.check_digest(archive, corpus.sha256, report)
                files = _unpacked(archive, folder, corpus, report)
            installed = _take(workspace, corpus, files, change_id)
        corpora.archive_file(workspace, corpus).unlink(missing_ok=True)
    return installed


def is_address(source: str) -> bool:
    """Whether a source is an address rather than a folder."""
    return source.startswith(("http://", "https://"))


@contextmanager
def _only_one(workspace: Workspace, corpus: Corpus) -> Iterator[None]:
    """Raises ValueError while another process installs the same corpus."""
    corpora.folder(workspace).mkdir(parents=True, exist_ok=True)
    lock = processes.try_lock(corpora.folder(workspace) / f"{corpus.name}.lock")
    if lock is None:
        raise ValueError(f"{corpus.title} is being installed by another process. Wait until it ends.")
    try:
        yield
    finally:
        os.close(lock)


def _downloaded(workspace: Workspace, corpus: Corpus, mirror: str, report: Report) -> Path:
    """The verified archive in the workspace."""
    archive = corpora.archive_file(workspace, corpus)
    url = f"{mirror.rstrip('/')}/{corpus.archive}" if mirror else corpus.url
    if not archive.is_file():  # else an earlier installation ended after the download
        download.fetch(url, archive, corpus.sha256, round(1e6 * corpus.unpacked_megabytes), report)
    return archive


def _unpacked(archive: Path, folder: Path, corpus: Corpus, report: Report) -> Files:
    """The files of an archive, unpacked by a process with limits. Raises ValueError, OSError."""
    report(0, 0, f"Unpacking {archive.name}")
    request = {"archive": str(archive), "folder": str(folder), "corpus": corpus.model_dump()}
    with limited_process.start(PROCESS) as child:
        try:
            return [(target, Path(file)) for target, file in _answer(child, request, archive, report)["files"]]
        finally:
            child.kill()


def _answer(child: subprocess.Popen[bytes], request: dict[str, Any], archive: Path, report: Report) -> dict[str, Any]:
    """The last answer of the process, whose progress is reported. Raises ValueError when it refuses or ends early."""
    assert child.stdin and child.stdout
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    for line in child.stdout:
        answer: dict[str, Any] = json.loads(line)
        if "problem" in answer:
            raise ValueError(answer["problem"])
        if "files" in answer:
            return answer
        report(answer["done"], answer["total"], f"Unpacking {archive.name}")
    reason = limited_process.describe_exit(child.wait())
    raise ValueError(f"{archive.name} cannot be unpacked: {reason}. Nothing was imported.")


def _copies(corpus: Corpus, source: Path, folder: Path, report: Report) -> Files:
    """Copies of the files of an unpacked corpus. Raises ValueError when the folder does not hold it, OSError."""
    clips, _ = importing.audio_below(source)
    targets = corpora.targets(corpus, [clip.as_posix() for clip in clips])
    if not targets:
        raise ValueError(f"{source} contains neither {corpus.archive} nor the unpacked {corpus.title}.")
    download.check_space(folder, sum(Path(path).stat().st_size for path in targets), f"Copying {corpus.title}")
    files: Files = []
    for number, (path, target) in enumerate(targets.items()):
        report(number, len(targets), f"Copying {corpus.title}")
        file = folder / f"{number:06d}"
        shutil.copyfile(path, file)
        files.append((target, file))
    return files


def _take(workspace: Workspace, corpus: Corpus, files: Files, change_id: str) -> Installed:
    """Move the files into data/raw as one change, but for those that an interrupted installation has moved."""
    change, counts = None, Counter[str]()
    if new := [(target, file) for target, file in files if not (workspace.raw / target).exists()]:
        imported = importing.take(workspace, new, "", f"Public sound: {corpus.title}", change_id)
        change, counts = imported.change, imported.counts
    record = Record(name=corpus.name, clips=len(files))
    durable.replace_json(corpora.record_file(workspace, corpus), record.model_dump())
    return Installed(corpus, change, counts)
