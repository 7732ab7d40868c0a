"""Long recordings of the user as streams: files and folders, with label tracks that say where the word is said."""

from __future__ import annotations

import codecs
import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from trainer.audio import audio_file, audio_formats
from trainer.audio.audio_file import AudioRefused
from trainer.streams.stream_set import SYNTHETIC, Recording, StreamSet, Word
from trainer.system import durable, regular_file
from trainer.system.display_text import counted
from trainer.system.workspace import Workspace

TRACK_SUFFIX = ".txt"
TRACK_ENDINGS = ("", *("".join(parts) for parts in itertools.product("-._ ", ("labels", "label"))))
"""What may stand between the name of a recording, with or without its own ending, and the ending of its track."""
TEXT_SUFFIXES = {TRACK_SUFFIX, ".csv", ".tsv", ".lab", ".textgrid", ".srt", ".vtt", ".eaf"}
"""Files of these kinds may be meant as label tracks."""
HEADERS = ("start", "begin", "onset", "from", "tmin", "time")
MOST_NAMED = 20


def _name_key(name: str) -> str:
    """Equal for names that differ in case, or in how their accents are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def _track_names(recording: Path) -> list[str]:
    """The keys of the names that the track of a recording may have, the likeliest first."""
    return [
        _name_key(f"{base}{ending}{TRACK_SUFFIX}")
        for ending in TRACK_ENDINGS
        for base in (recording.stem, recording.name)
    ]


def _text_files(folder: Path) -> list[Path]:
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in TEXT_SUFFIXES]
    except OSError:  # a folder may let its files be opened, and not be listed
        return []
    return sorted(path for path in paths if path.is_file() and not path.name.startswith("."))


def find_tracks(recordings: Sequence[Path]) -> dict[Path, Path]:
    """Label tracks by recording: `evening.txt`, `evening.wav.txt` or `evening-labels.txt` of `evening.wav`."""
    by_folder = {
        folder: {_name_key(path.name): path for path in reversed(_text_files(folder))}
        for folder in _folders(recordings)
    }
    tracks = dict[Path, Path]()
    for recording in recordings:
        texts = by_folder[recording.parent]
        if name := next((name for name in _track_names(recording) if name in texts), ""):
            tracks[recording] = texts[name]
    return tracks


def _folders(recordings: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(recording.parent for recording in recordings))


def unused_tracks(recordings: Sequence[Path], whole: Set[Path], used: Set[Path]) -> list[str]:
    """A sentence that names the text files that no recording took as its labels: in folders that are heard as a
    whole, every one; beside other recordings, those that begin with a recording's name."""
    stems = tuple(_name_key(recording.stem) for recording in recordings if recording.parent not in whole)
    left = [
        path
        for folder in _folders(recordings)
        for path in _text_files(folder)
        if path not in used and (folder in whole or _name_key(path.name).startswith(stems))
    ]
    if not left:
        return []
    names = [_printable(path.name) for path in left[:MOST_NAMED]]
    more = f" and {len(left) - MOST_NAMED:,} more" if left[MOST_NAMED:] else ""
    return [
        f"Not used: {', '.join(names)}{more}. A label track is a text file named like its recording, such as "
        f"{_printable(recordings[0].stem)}{TRACK_SUFFIX} beside {_printable(recordings[0].name)}."
    ]


def _printable(name: str) -> str:
    return name if name.isprintable() else ascii(name)[1:-1]


def _lines(path: Path) -> list[str]:
    """Raises ValueError when it is no text."""
    data = regular_file.read_bytes(path)
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return re.split(r"\r\n|\r|\n", data.decode(encoding))
    except UnicodeDecodeError:
        raise ValueError(f"Its labels in {path.name} are not UTF-8 text; export them from Audacity again.") from None


def _seconds(text: str) -> float:
    return float(text.strip().replace(",", "."))


def read_track(path: Path, seconds: float) -> list[Word]:
    """The words in a label track of a recording of this length: lines of start TAB end TAB label, in seconds.

    What the label says is no matter. Raises ValueError with the line that is wrong.
    """
    words, first = list[Word](), True
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith("\\"):  # after a backslash Audacity writes frequencies
            continue
        header, first = first and line.strip().lower().startswith(HEADERS), False
        if header:
            continue
        where = f"Line {number} of its labels in {path.name}"
        try:
            start, end = (_seconds(text) for text in line.split("\t")[:2])
        except ValueError:
            raise ValueError(f"{where} is {line!r:.60}, not start TAB end TAB label in seconds.") from None
        if not 0 <= start <= end <= seconds + 0.1:
            raise ValueError(
                f"{where} says {start:g} to {end:g} s, which is not a span within a recording of {seconds:.1f} s. "
                "Check that the track belongs to this recording."
            )
        words.append(Word(start=start, end=end))
    return sorted(words, key=lambda word: word.start)


TRUTH = "truth.json"
DEFAULT = "data/streams/false_accepts"
"""Below a workspace: recordings without the word that every evaluation hears unless others are named."""
DEMO = "demo-speech"
"""The folder in it with the synthetic speech of the demo data."""


class _Truth(BaseModel):
    """truth.json of wakebench: streams with words by name, and files without the word by their source."""

    class Source(BaseModel):
        files: list[str]

    positive: dict[str, list[Word]]
    negative: dict[str, Source]


class _Named(NamedTuple):
    """A file that shall be heard; `words` None: a track of labels beside it tells, else there are none."""

    name: str
    path: Path
    condition: str
    words: list[Word] | None = None
    counts_false_accepts: bool = True


@dataclass
class _Gathered:
    recordings: list[Recording] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


def _of_folder(folder: Path) -> Iterator[_Named]:
    """The recordings below a folder, in order; hidden ones are left out."""
    if (folder / TRUTH).is_file():
        yield from _of_truth(folder)
        return
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix.lower() in audio_formats.SUFFIXES and not any(part.startswith(".") for part in inner.parts):
            condition = SYNTHETIC if DEMO in path.parent.parts else folder.name
            yield _Named(f"{folder.name}/{inner.as_posix()}", path, condition)


def _of_truth(folder: Path) -> Iterator[_Named]:
    """The streams of wakebench: those with words tell misses, those without tell false accepts."""
    try:
        truth = _Truth.model_validate(durable.read_json(folder / TRUTH))
    except ValidationError:
        raise ValueError(f"{folder / TRUTH} does not list any streams; create it again.") from None
    for name, words in truth.positive.items():
        yield _Named(f"{folder.name}/{name}", folder / f"{name}.wav", name, words, counts_false_accepts=False)
    for source, part in truth.negative.items():
        for name in part.files:
            yield _Named(f"{folder.name}/{name}", folder / f"{name}.wav", source, [])


def _named(path: Path) -> Iterator[_Named]:
    """What a path names. Raises FileNotFoundError, ValueError."""
    with suppress(RuntimeError):  # ~nobody/x: nobody has a home, and so nothing is there
        path = path.expanduser()
    path = path.absolute()
    if path.is_dir():
        recordings = list(_of_folder(path))
        if not recordings:
            raise ValueError(f"{path} contains no recordings; put {audio_formats.ANY} files there.")
        yield from recordings
    elif path.exists():
        yield _Named(path.name, path, "recording")
    else:
        raise FileNotFoundError(f"There is no recording or folder {path}.")


def _take(gathered: _Gathered, named: _Named, track: Path | None) -> None:
    """Add a recording, with the words of its label track. Raises ValueError with what is wrong with it."""
    facts = audio_file.facts(named.path)
    seconds, words = facts.seconds, named.words
    if words is None:
        words = read_track(track, seconds) if track else []
    taken = {each.name for each in gathered.recordings}
    numbered = (f"{named.name} ({number})" for number in itertools.count(2))
    name = next(name for name in itertools.chain([named.name], numbered) if name not in taken)
    recording = Recording(
        name=name,
        path=str(named.path),
        seconds=seconds,
        condition=named.condition,
        words=words,
        counts_false_accepts=named.counts_false_accepts,
    )
    with regular_file.open_binary(named.path) as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    gathered.digest.update(f"{content}{recording.model_dump_json(exclude={'path'})}\n".encode())
    gathered.recordings.append(recording)
    gathered.notes += [f"{recording.name}: {note}" for note in facts.notes()]


def _every(paths: Sequence[Path], gathered: _Gathered) -> dict[Path, _Named]:
    """The files that these paths name, each once: heard twice, its hours would count twice.

    One of several paths that names nothing is noted. Raises FileNotFoundError, ValueError for a single one.
    """
    every = dict[Path, _Named]()
    for path in paths:
        try:
            for named in _named(path):
                every.setdefault(named.path, named)
        except (FileNotFoundError, ValueError) as error:
            if len(paths) == 1:
                raise
            gathered.left_out.append(str(error))
    return every


def gather(paths: Sequence[Path]) -> StreamSet:
    """Long recordings as streams; what is no usable file is left out, and `left_out` says why.

    Raises FileNotFoundError for a single path that is not there, ValueError when nothing is usable.
    """
    gathered = _Gathered()
    every = _every(paths, gathered)
    untold = [path for path, named in every.items() if named.words is None]
    tracks = find_tracks(untold)
    whole = {path.parent for path in untold if "/" in every[path].name}
    for named in every.values():
        shown = ascii(named.name)[1:-1] if not named.name.isprintable() else named.name
        try:
            named.name.encode()
            _take(gathered, named, tracks.get(named.path))
        except UnicodeEncodeError:
            gathered.left_out.append(f"{shown}: Its name is not valid Unicode text; rename it.")
        except FileNotFoundError:
            gathered.left_out.append(f"{shown}: It is missing, although {TRUTH} lists it.")
        except (AudioRefused, ValueError) as error:
            gathered.left_out.append(f"{shown}: {error}")
        except OSError as error:
            gathered.left_out.append(f"{shown}: It cannot be read ({error.strerror}).")
    recordings = gathered.recordings
    if not recordings:
        first = f" {gathered.left_out[0]}" if gathered.left_out else ""
        raise ValueError(f"None of the recordings can be read.{first}")
    hours, words = sum(each.seconds for each in recordings) / 3600, sum(len(each.words) for each in recordings)
    synthetic = sum(each.seconds for each in recordings if each.is_synthetic) / 3600
    of_it = f", {synthetic:.2f} h of it {SYNTHETIC}" if synthetic else ""
    title = f"{counted(len(recordings), 'long recording')} ({hours:.2f} h{of_it}, {counted(words, 'word')})"
    return StreamSet(
        key=gathered.digest.hexdigest()[:24],
        title=title,
        folder="/",
        recordings=recordings,
        notes=[*gathered.left_out, *gathered.notes, *unused_tracks(untold, whole, set(tracks.values()))],
        left_out=gathered.left_out,
    )


def default(workspace: Workspace) -> list[Path]:
    """What is heard when no recordings are named."""
    folder = workspace.root / DEFAULT
    return [folder] if folder.is_dir() else []
