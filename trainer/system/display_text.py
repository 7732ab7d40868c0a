"""Text for display: counts in words, and strings from files and users made safe for terminals, pages and JSON."""

from __future__ import annotations

import json
import re

LONGEST_LINE = 4096
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-9;?:<=>]*[ -/]*[@-~]"  # colours, cursor positions
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"  # titles, links, the clipboard
    r"|\x1b[ -/]*[0-~]"
)
_MARKS = (
    r"\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f"
)
_JOINERS = r"\u200c\u200d"
"""Spelling between letters of Persian or Hindi and within an emoji; invisible characters elsewhere."""
_SPELLED = r"[^\x00-\xbf\u2000-\u206f]"
_CONTROLS = re.compile(rf"[\x00-\x08\x0a-\x1f{_MARKS}]|(?<!{_SPELLED})[{_JOINERS}]|[{_JOINERS}](?!{_SPELLED})")
_IN_JSON = re.compile(rf"[{_MARKS}{_JOINERS}]")


def counted(number: int, noun: str) -> str:
    """`number` with thousands separators and the noun in singular or plural (with an s)."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def harmless(line: str) -> str:
    """A line without terminal escapes, control characters, bidirectional or invisible marks,
    and without lone surrogates, which cannot be written."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", _ESCAPES.sub("", line))


def clean(line: str) -> str:
    """A harmless line of at most LONGEST_LINE characters."""
    return harmless(line)[:LONGEST_LINE]


def clean_lines(text: str) -> str:
    """A text of several lines, each cleaned."""
    return "\n".join(map(clean, text.split("\n")))


def to_json(document: object, indent: int | None = None) -> str:
    """JSON that parses to the same document, with characters that could control a terminal escaped."""
    return _IN_JSON.sub(_escape, json.dumps(document, ensure_ascii=False, indent=indent))


def _escape(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]
