"""The process that unpacks the archive of a corpus (.tar.gz) with limited memory and processor time.

Standard input: one JSON document, {"archive", "folder", "corpus"}. Standard output: JSON lines, {"done", "total"} while
it works, then {"files": [[path below the data folder, file in `folder`]]} or {"problem": a sentence}. The archive is
read twice: nothing is written before all of its entries are checked.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from trainer.dataset import corpora, file_names
from trainer.dataset.corpus_catalog import Corpus
from trainer.system import download, limited_process, zip_file

MEMORY_BYTES = 400 << 20
SECONDS, SECONDS_PER_MEGABYTE = 120.0, 0.5
"""Processor time for an archive, and its increase for each megabyte."""
MOST_RATIO = 20
"""Audio files are nearly incompressible: a larger ratio is a bomb."""
FREE_BYTES = 100_000_000
"""Archives that unpack to less may have any ratio: silence packs well."""
_CHUNK = 1 << 20


class Refused(ValueError):
    """Why the archive is not unpacked, as a sentence."""


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """The open archive. Raises Refused, also while it is read, when it is damaged."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            yield tar
    except (tarfile.TarError, zlib.error, EOFError, UnicodeError) as error:
        raise Refused(f"{archive.name} is damaged ({error}). Remove it, and get the corpus again.") from None
    except MemoryError:
        raise Refused(f"{archive.name} takes too much memory to unpack; nothing was imported.") from None


def check(entry: tarfile.TarInfo) -> None:
    """Raises Refused for an entry that is a link or a device, or leads out of its folder."""
    if zip_file.is_outside(entry.name):
        raise Refused(f"The archive contains a path outside its folder ({entry.name!r:.80}); nothing was imported.")
    if not (entry.isreg() or entry.isdir()) or entry.issparse():
        raise Refused(f"The archive contains a link or a device ({entry.name!r:.80}); nothing was imported.")


def sizes(archive: Path) -> dict[str, int]:
    """The size in bytes of every audio file in the archive, by its path. Raises Refused."""
    most, total, files = max(FREE_BYTES, MOST_RATIO * archive.stat().st_size), 0, dict[str, int]()
    with _opened(archive) as tar:
        for number, entry in enumerate(tar):
            check(entry)
            total += entry.size
            if total > most or number >= zip_file.MOST_ENTRIES:
                raise Refused(f"{archive.name} unpacks to too much; nothing was imported.")
            if entry.isreg() and file_names.is_audio(entry.name):
                files[entry.name] = entry.size
    return files


def extract(
    archive: Path, folder: Path, targets: Mapping[str, str], done: Callable[[int], None]
) -> list[tuple[str, str]]:
    """Write the chosen files into `folder`, named by number; returns (target, file). Raises Refused, OSError."""
    files, left = list[tuple[str, str]](), dict(targets)
    with _opened(archive) as tar:
        for entry in tar:
            if entry.name not in left or not (source := tar.extractfile(entry)):
                continue
            file = folder / f"{len(files):06d}"
            with source, open(file, "xb") as out:
                shutil.copyfileobj(source, out, _CHUNK)
            files.append((left.pop(entry.name), str(file)))
            done(len(files))
    return files


def unpack(archive: Path, folder: Path, corpus: Corpus, done: Callable[[int, int], None]) -> list[tuple[str, str]]:
    """(path below the data folder, file in `folder`) for each file of the corpus. Raises Refused, OSError."""
    found = sizes(archive)
    targets = corpora.targets(corpus, found)
    if not targets:
        raise Refused(f"{archive.name} contains no audio files of {corpus.title}; nothing was imported.")
    download.check_space(folder, sum(found[path] for path in targets), f"Unpacking {archive.name}")
    return extract(archive, folder, targets, lambda count: done(count, len(targets)))


def _send(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    request = json.loads(sys.stdin.readline())
    archive, corpus = Path(request["archive"]), Corpus.model_validate(request["corpus"])
    limited_process.limit_memory(MEMORY_BYTES)
    limited_process.limit_processor(SECONDS + SECONDS_PER_MEGABYTE * archive.stat().st_size / 1e6)

    def done(count: int, total: int) -> None:
        if count % 50 == 0 or count == total:
            _send({"done": count, "total": total})

    try:
        _send({"files": unpack(archive, Path(request["folder"]), corpus, done)})
    except (Refused, download.DownloadError) as error:
        _send({"problem": str(error)})
    except OSError as error:
        full = "The disk is full. Free some space, and run it again." if error.errno == errno.ENOSPC else ""
        _send({"problem": full or f"{archive.name} cannot be unpacked: {os.strerror(error.errno or errno.EIO)}."})


if __name__ == "__main__":
    main()
