"""Installs a public corpus: downloads or finds its archive, verifies and unpacks it, and imports the clips."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.dataset import changes, corpora, hub_files, importing
from trainer.dataset.changes import RAW, Change, Move
from trainer.dataset.corpora import Record
from trainer.dataset.corpus_catalog import FEATURES, MIRROR_VARIABLE, Corpus, is_address
from trainer.system import download, durable, limited_process
from trainer.system.display_text import counted
from trainer.system.download import DownloadError
from trainer.system.job import Report
from trainer.system.workspace import Workspace

PROCESS = "trainer.dataset.tar_process"
Files = list[tuple[str, Path]]
"""(path below the data folder, staged file)."""
WIDTH = 96
"""Numbers in each frame of the speech embedding."""
CHECKED_FRAMES = 100_000
"""Frames that are read at a time."""


@dataclass(frozen=True)
class Installed:
    """A corpus after `get`: the change that brought clips, None if all were there, and clips by label."""

    corpus: Corpus
    change: Change | None
    counts: Counter[str]

    def sentence(self) -> str:
        if not self.change:
            return f"{self.corpus.title} is already installed."
        if FEATURES in self.counts:
            return f"Installed {self.corpus.title} in data/{FEATURES}. Next, train."
        counts = ", ".join(f"{counted(count, 'clip')} into {label}" for label, count in self.counts.items())
        return f"Installed {self.corpus.title}: {counts}. Next, scan and split."

    def document(self) -> dict[str, Any]:
        change = self.change.id if self.change else None
        return {"name": self.corpus.name, "installed": True, "change": change, "imported": self.counts}


def get(workspace: Workspace, corpus: Corpus, source: str, report: Report) -> Installed:
    """Install a corpus from `source`, a folder or the address of a mirror; by default from its own address.

    A folder holds the archive, which must have the published digest, or the files of the corpus. Raises ValueError for
    bad input, OSError (DownloadError) with a sentence when it cannot be downloaded, stored or unpacked; called again,
    it continues.
    """
    source = source or os.environ.get(MIRROR_VARIABLE, "")
    with download.only_one(corpora.folder(workspace) / f"{corpus.name}.lock", corpus.title):
        if corpora.is_installed(workspace, corpus):
            return Installed(corpus, None, Counter())
        corpora.record_file(workspace, corpus).unlink(missing_ok=True)
        local = None if not source or is_address(source) else importing.check_folder(source)
        with importing.staging(workspace) as (change_id, folder):
            files = (
                _local(corpus, local, folder, report) if local else _fetched(workspace, corpus, source, folder, report)
            )
            installed = _take(workspace, corpus, files, change_id)
        corpora.discard_download(workspace, corpus)
    return installed


def _fetched(workspace: Workspace, corpus: Corpus, mirror: str, folder: Path, report: Report) -> Files:
    """The files of a corpus, downloaded, verified and staged in `folder`. Raises ValueError, OSError."""
    place = corpora.download_folder(workspace, corpus)
    place.mkdir(exist_ok=True)
    if corpus.hub:
        return _from_hub(corpus, hub_files.endpoint(mirror), place, folder, report)
    archive = place / corpus.archive
    url = f"{mirror.rstrip('/')}/{corpus.archive}" if mirror else corpus.url
    if not archive.is_file():  # else an earlier installation ended after the download
        download.fetch(url, archive, corpus.sha256, round(1e6 * corpus.unpacked_megabytes), report)
    return _unpacked(archive, folder, corpus, report)


def _from_hub(corpus: Corpus, address: str, place: Path, folder: Path, report: Report) -> Files:
    published = {file.path: file for file in hub_files.listed(address, corpus.hub)}
    targets = corpora.targets(corpus, published)
    if not targets:
        host = download.host(address)
        raise DownloadError(f"{corpus.hub} on {host} contains no files of {corpus.title} with a published SHA-256.")
    fetched = hub_files.fetch(address, corpus.hub, [published[path] for path in targets], place, report)
    for path in targets:
        _check_features(targets[path], fetched[path])
    return [(target, _linked(fetched[path], folder / f"{n:06d}")) for n, (path, target) in enumerate(targets.items())]


def _linked(file: Path, link: Path) -> Path:
    """A second name of a downloaded file, which stays until the corpus is installed."""
    try:
        os.link(file, link)
    except OSError:  # a file system without hard links
        shutil.copyfile(file, link)
    return link


def _local(corpus: Corpus, source: Path, folder: Path, report: Report) -> Files:
    """The files of a corpus from a folder that holds its archive or its files, staged in `folder`."""
    archive = source / corpus.archive
    if corpus.archive and archive.is_file():
        try:
            download.check_digest(archive, corpus.sha256, report)
        except DownloadError as error:
            raise ValueError(f"{error} Nothing was imported. Copy it again, or download it from its address.") from None
        return _unpacked(archive, folder, corpus, report)
    return _copies(corpus, source, folder, report)


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
    with suppress(BrokenPipeError):  # the process has ended: reading the answer reports it
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
    targets = corpora.targets(corpus, sorted(_below(source)))
    if not targets:
        missing = f"neither {corpus.archive} nor the unpacked" if corpus.archive else "no files of"
        raise ValueError(f"{source} contains {missing} {corpus.title}.")
    download.check_space(folder, sum(Path(path).stat().st_size for path in targets), f"Copying {corpus.title}")
    files: Files = []
    for number, (path, target) in enumerate(targets.items()):
        report(number, len(targets), f"Copying {corpus.title}")
        _check_features(target, Path(path))
        file = folder / f"{number:06d}"
        shutil.copyfile(path, file)
        files.append((target, file))
    return files


def _below(folder: Path) -> Iterator[str]:
    """The paths of the regular files below a folder; links are not followed."""
    for place, _, names in os.walk(folder):
        paths = (Path(place, name) for name in names)
        yield from (path.as_posix() for path in paths if path.is_file() and not path.is_symlink())


def _check_features(target: str, file: Path) -> None:
    """Raises ValueError for a file of features that is not an array [frames, 96] of finite numbers, float32."""
    if not target.startswith(f"{FEATURES}/"):
        return
    try:
        array = np.lib.format.open_memmap(file, mode="r")  # reads no other format, and no Python objects
    except (ValueError, OverflowError):
        raise ValueError(f"{file.name} is not an array of numbers in NumPy's format; nothing was imported.") from None
    if array.dtype != np.float32 or array.shape[1:] != (WIDTH,) or not len(array):
        raise ValueError(
            f"{file.name} holds {array.dtype} in the shape {array.shape} instead of float32 in the "
            f"shape (frames, {WIDTH}); nothing was imported."
        )
    for first in range(0, len(array), CHECKED_FRAMES):
        if not np.isfinite(array[first : first + CHECKED_FRAMES]).all():
            raise ValueError(f"{file.name} contains numbers that are not finite; nothing was imported.")


def _take(workspace: Workspace, corpus: Corpus, files: Files, change_id: str) -> Installed:
    """Move the files to their places as one change, but for those that an interrupted installation has moved."""
    data = workspace.root / "data"
    new = [(target, file) for target, file in files if not (data / target).exists()]
    moves = [Move(source=file.relative_to(data).as_posix(), target=target) for target, file in new]
    change = changes.apply(workspace, f"Public sound: {corpus.title}", moves, change_id) if moves else None
    durable.replace_json(
        corpora.record_file(workspace, corpus), Record(name=corpus.name, files=len(files)).model_dump()
    )
    labels = [target.removeprefix(f"{RAW}/").partition("/")[0] for target, _ in new]
    return Installed(corpus, change, Counter(labels))
