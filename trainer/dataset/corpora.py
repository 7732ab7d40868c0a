"""Public corpora: what can be fetched, from where, under which licence, and what is installed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

from trainer.dataset import changes, file_names
from trainer.dataset.changes import Change
from trainer.system import download, durable, regular_file
from trainer.system.workspace import LABELS, Workspace

OWN_FILE = "corpora.json"
"""In data: further corpora of the user's own, as a JSON list of `Corpus`."""
BETWEEN = "_"
"""Separates the corpus from the source in the name of a folder; not part of any corpus name."""


class Part(BaseModel, frozen=True, extra="forbid"):
    """The files of an archive that become clips of one label.

    `pattern` is a regular expression for the end of a file's path. Its group `source` names the speaker or recording,
    which becomes a folder; `clip`, after `word` if there is one, becomes the name of the file. At most `most` files are
    taken (0: all), those whose names have the smallest hashes, so that every machine chooses the same.
    """

    label: str
    pattern: str
    most: int = Field(0, ge=0)

    @field_validator("label")
    @classmethod
    def _is_label(cls, label: str) -> str:
        if label not in LABELS:
            raise ValueError(f"{label!r:.40} is none of {', '.join(LABELS)}")
        return label

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str) -> str:
        if not {"source", "clip"} <= set(re.compile(pattern).groupindex):
            raise ValueError("the pattern needs the groups source and clip")
        return pattern


class Corpus(BaseModel, frozen=True, extra="forbid"):
    """A corpus in one archive (.tar.gz). `megabytes`: the download; `unpacked_megabytes`: the files that are kept;
    `hours`: the audio that is kept."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,60}$")
    title: str
    purpose: str
    licence: str
    attribution: str
    homepage: str
    url: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    megabytes: float = Field(gt=0)
    unpacked_megabytes: float = Field(gt=0)
    hours: float = Field(gt=0)
    parts: tuple[Part, ...] = Field(min_length=1)

    @property
    def archive(self) -> str:
        """The file name of the archive."""
        return self.url.rpartition("/")[2]

    @property
    def labels(self) -> list[str]:
        return [part.label for part in self.parts]


def _librispeech(subset: str, kind: str, sha256: str, megabytes: float, hours: float, speakers: int) -> Corpus:
    return Corpus(
        name=f"librispeech-{subset}",
        title=f"LibriSpeech {subset}",
        purpose=f"{kind} by {speakers} people: speech without the word, to find the threshold and count false alarms",
        licence="CC BY 4.0",
        attribution="LibriSpeech (c) 2014 by Vassil Panayotov, from audiobooks of LibriVox",
        homepage="https://www.openslr.org/12",
        url=f"http://www.openslr.org/resources/12/{subset}.tar.gz",
        sha256=sha256,
        megabytes=megabytes,
        unpacked_megabytes=megabytes * 1.1,
        hours=hours,
        parts=(
            Part(
                label="negative",
                pattern=rf"(^|/)LibriSpeech/{subset}/(?P<source>\d+)/\d+/(?P<clip>[\w-]+\.flac)$",
            ),
        ),
    )


CLEAN, OTHER = "English read aloud, clearly recorded,", "English read aloud, accents and poorer recordings,"
CATALOG: tuple[Corpus, ...] = (
    _librispeech("dev-clean", CLEAN, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3", 338, 5.4, 40),
    _librispeech("dev-other", OTHER, "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365", 314, 5.3, 33),
    _librispeech("test-clean", CLEAN, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23", 347, 5.4, 40),
    _librispeech("test-other", OTHER, "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29", 329, 5.1, 33),
)
"""Addresses and digests are those of torchaudio.datasets, which only the engine may import: a test compares them."""


class Record(BaseModel):
    """The file of an installed corpus, data/corpora/NAME.json; `clips` counts what its archive holds."""

    name: str
    clips: int


def folder(workspace: Workspace) -> Path:
    """Where incomplete downloads and records lie."""
    return workspace.root / "data" / "corpora"


def record_file(workspace: Workspace, corpus: Corpus) -> Path:
    return folder(workspace) / f"{corpus.name}.json"


def archive_file(workspace: Workspace, corpus: Corpus) -> Path:
    return folder(workspace) / corpus.archive


def catalog(workspace: Workspace) -> list[Corpus]:
    """All corpora, first the built-in. Raises ValueError when the user's own list is not valid, OSError."""
    path = workspace.root / "data" / OWN_FILE
    try:
        own = TypeAdapter(list[Corpus]).validate_json(regular_file.read_bytes(path))
    except FileNotFoundError:
        return list(CATALOG)
    except (ValidationError, re.error) as error:
        problem = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, problem["loc"]))
        raise ValueError(
            f"{path} is not a list of corpora ({where}: {problem['msg']}). Correct or remove it."
        ) from None
    return list({corpus.name: corpus for corpus in (*CATALOG, *own)}.values())


def find(workspace: Workspace, name: str) -> Corpus:
    """The corpus of this name. Raises ValueError without one."""
    corpora = {corpus.name: corpus for corpus in catalog(workspace)}
    if name not in corpora:
        problem = f"There is no corpus {name!r:.60}." if name else "The name of a corpus is missing."
        raise ValueError(f"{problem} Choose one of {', '.join(corpora)}.")
    return corpora[name]


def targets(corpus: Corpus, paths: Iterable[str]) -> dict[str, str]:
    """Where each file of the corpus goes below data/raw, by its path; files that are not taken are left out."""
    chosen: dict[str, str] = {}
    patterns = [re.compile(part.pattern) for part in corpus.parts]
    by_part: list[dict[str, str]] = [{} for _ in corpus.parts]
    for path in paths:
        for part, pattern, files in zip(corpus.parts, patterns, by_part, strict=True):
            if match := pattern.search(path):
                files[path] = _target(corpus, part, match)
                break
    for part, files in zip(corpus.parts, by_part, strict=True):
        names = sorted(files, key=lambda path: hashlib.sha256(files[path].encode()).digest())
        chosen |= {path: files[path] for path in (names[: part.most] if part.most else names)}
    return chosen


def _target(corpus: Corpus, part: Part, match: re.Match[str]) -> str:
    groups = match.groupdict()
    clip = "-".join(filter(None, (groups.get("word"), groups["clip"])))
    return file_names.safe_path(f"{part.label}/{corpus.name}{BETWEEN}{groups['source']}/{clip}")


def _folders(workspace: Workspace, corpus: Corpus) -> list[Path]:
    return [path for path in workspace.raw.glob(f"*/{corpus.name}{BETWEEN}*") if path.is_dir()]


def has_clips(workspace: Workspace, corpus: Corpus) -> bool:
    """Whether clips of the corpus lie in data/raw."""
    return bool(_folders(workspace, corpus))


def is_installed(workspace: Workspace, corpus: Corpus) -> bool:
    """Whether the corpus was installed completely and has clips in data/raw, which Undo and `remove` take away."""
    record = durable.read_document(Record, record_file(workspace, corpus))
    return record is not None and has_clips(workspace, corpus)


def downloaded_bytes(workspace: Workspace, corpus: Corpus) -> int:
    """What a download has stored so far; 0 once the corpus is installed."""
    archive = archive_file(workspace, corpus)
    return sum(path.stat().st_size for path in (archive, download.part_of(archive)) if path.exists())


def document(workspace: Workspace, corpus: Corpus) -> dict[str, Any]:
    """A corpus and whether it is installed, as a JSON document."""
    return {
        "name": corpus.name,
        "title": corpus.title,
        "installed": is_installed(workspace, corpus),
        "licence": corpus.licence,
        "megabytes": corpus.megabytes,
        "hours": corpus.hours,
        "label": ", ".join(corpus.labels),
        "purpose": corpus.purpose,
        "attribution": corpus.attribution,
        "homepage": corpus.homepage,
        "downloaded_bytes": downloaded_bytes(workspace, corpus),
    }


def discard_download(workspace: Workspace, corpus: Corpus) -> int:
    """Delete what a download has stored; returns the bytes that this frees."""
    freed = downloaded_bytes(workspace, corpus)
    download.discard(archive_file(workspace, corpus))
    archive_file(workspace, corpus).unlink(missing_ok=True)
    return freed


def remove(workspace: Workspace, corpus: Corpus) -> Change:
    """Move the clips of a corpus to the trash as one change. Raises ValueError when there are none, OSError."""
    files = [path for place in _folders(workspace, corpus) for path in sorted(place.rglob("*")) if path.is_file()]
    if not files:
        raise ValueError(f"{corpus.title} is not installed.")
    change_id = changes.new_id()
    moves = changes.to_trash(change_id, [path.relative_to(workspace.raw).as_posix() for path in files])
    return changes.apply(workspace, f"Removed {corpus.title}", moves, change_id)
