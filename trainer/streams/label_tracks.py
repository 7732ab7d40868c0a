"""Label tracks beside recordings: text files that say where the word is said, as Audacity exports them."""

from __future__ import annotations

import codecs
import itertools
import re
import unicodedata
from collections.abc import Sequence, Set
from pathlib import Path

from trainer.streams.stream_set import Word
from trainer.system import regular_file

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
