"""Speakers in the names of clips: finds the part of the names that says who speaks, where there is one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from trainer.dataset import changes, importing, speakers
from trainer.dataset.changes import Change, Move
from trainer.dataset.findings import SPEECH, Finding
from trainer.dataset.speakers import PLACE, Rule
from trainer.system import durable
from trainer.system.display_text import counted
from trainer.system.workspace import SYNTHETIC_PREFIX, Workspace

CODE = "speakers_in_names"
LEAST_SPEAKERS, LEAST_CLIPS_EACH = 3, 2.0
"""With fewer speakers than splits they cannot be separated; with about one clip each, a part is a number."""
LEAST_SHARE = 0.9
"""The share of the names that a pattern must match."""
EXAMPLES = 3
KNOWN = {
    r"[0-9a-f]{8}_nohash_\d+": f"{PLACE}_nohash_*",  # Speech Commands
    r"\d{2,5}-\d{2,6}-\d{4}": f"{PLACE}-*-*",  # LibriSpeech: reader, chapter, utterance
}
"""Patterns of names of public corpora, which need no second clip of a speaker."""
_SPEAKER = re.compile(
    r"(spk|spkr|speaker|user|person|people|subject|subj|participant|reader|talker|voice)\d+|p\d{3}", re.IGNORECASE
)
"""Names of speakers with numbers; p225 as in VCTK."""
_NAME = re.compile(r"[^\W\d_]{3,20}")
_OTHER_WORDS = (
    "clip clips rec record recording take sample file audio sound track utt utterance word words phrase wake "
    "wakeword hotword positive positives negative negatives hard background noise test train val valid validation "
    "dev new old copy final edit male female man woman men women child children kid kids adult boy girl young "
    "quiet loud soft slow fast normal whisper whispered shout shouted calm happy angry sad neutral clean noisy "
    "clear raw near far close mid left right front back high low up down inside outside indoor outdoor kitchen "
    "bath bathroom bedroom living livingroom hall hallway office car street garden garage room house home phone "
    "mobile mic microphone laptop headset usb iphone android pixel samsung tablet webcam one two three four five "
    "six seven eight nine ten first second third jan feb mar apr may jun jul aug sep oct nov dec mon tue wed thu "
    "fri sat sun monday tuesday wednesday thursday friday saturday sunday morning evening night day wav mp3 ogg "
    "flac eng deu fra spa ita usa"
)
"""Words that vary in the names of clips and are nobody's name: with one of them, a part names no speakers."""


@dataclass(frozen=True)
class Proposal:
    """A rule for speakers, and what it would do: the speaker of each clip that it names, by path."""

    rule: Rule
    named: dict[str, str]

    @property
    def count(self) -> int:
        return len(set(self.named.values()))

    def examples(self) -> str:
        """One clip of each of the first speakers."""
        first = {speaker: path for path, speaker in reversed(self.named.items())}
        shown = sorted(first.items())[:EXAMPLES]
        return ", ".join(f"{PurePosixPath(path).name} is by {speaker}" for speaker, path in shown)


def _are_speakers(parts: Sequence[str], before: str) -> bool:
    """Whether this part of the names says who speaks; `before` is the part before it where that is always the same."""
    counts = Counter(parts)
    if len(counts) < LEAST_SPEAKERS or len(parts) < LEAST_CLIPS_EACH * len(counts):
        return False
    if before and _SPEAKER.fullmatch(f"{before}1"):
        return all(part.isdecimal() for part in counts)
    other = _OTHER_WORDS.split()
    return all(_SPEAKER.fullmatch(part) or (_NAME.fullmatch(part) and part.casefold() not in other) for part in counts)


def _patterns(names: Sequence[str]) -> Iterator[str]:
    """Patterns of names of one length whose parts are divided by the same character."""
    for divider in "_- .":
        split = [PurePosixPath(name).stem.split(divider) for name in names]
        length, matching = Counter(map(len, split)).most_common(1)[0]
        if length < 2 or matching < LEAST_SHARE * len(names):
            continue
        columns = list(zip(*(parts for parts in split if len(parts) == length), strict=True))
        same = [parts[0] if len(set(parts)) == 1 else "" for parts in columns]
        for number, parts in enumerate(columns):
            if _are_speakers(parts, same[number - 1] if number else ""):
                shown = [each or "*" for each in same]
                shown[number] = PLACE
                yield divider.join(shown) + (".*" if number == length - 1 else "*" if same[-1] else "")


def pattern_of(names: Sequence[str]) -> str:
    """The pattern (see `speakers.Rule`) of these file names; empty where none fits, or more than one."""
    if not names:
        return ""
    for known, pattern in KNOWN.items():
        matching = [name for name in names if re.fullmatch(known, PurePosixPath(name).stem)]
        if len(matching) >= LEAST_SHARE * len(names):
            return pattern
    fitting = list(_patterns(names))
    return fitting[0] if len(fitting) == 1 else ""


def propose(clips: pd.DataFrame) -> Proposal | None:
    """The speakers that the names of these clips tell (see clips.ScannedClips), where their folders do not.

    Only the user's own clips without a known speaker count, and those in folders that are too few for speakers or are
    named after words. None where another rule than the folder is in use.
    """
    by_folder = speakers.of_paths(clips["path"], Rule(), {})
    if not (clips["speaker"] == by_folder).all():
        return None
    own = clips[clips["label"].isin(SPEECH) & ~by_folder.str.startswith(SYNTHETIC_PREFIX)]
    below = own["path"].str.split("/", n=1).str[1]
    depth = below.str.count("/")
    proposals = [_proposal(own[depth == 0], ""), _proposal(own[depth == 1], "*/")]
    return max(filter(None, proposals), key=lambda each: len(each.named), default=None)


def _proposal(own: pd.DataFrame, folders: str) -> Proposal | None:
    """The proposal for clips that lie equally deep."""
    positives, names = own[own["label"] == "positive"], own["path"].str.rsplit("/", n=1).str[-1]
    pattern = pattern_of(names[positives.index].tolist()) or pattern_of(names.tolist())
    if not pattern or (folders and pattern not in KNOWN.values() and own["speaker"].nunique() >= LEAST_SPEAKERS):
        return None
    rule = Rule(kind="pattern_or_folder", pattern=folders + pattern)
    named = speakers.of_paths(own["path"], rule, {})
    named = named[named != own["speaker"]]
    others = set(named[own["label"] != "positive"]) - set(named[own["label"] == "positive"])
    are_words = pattern not in KNOWN.values() and not all(map(_SPEAKER.fullmatch, others))
    if named.nunique() < LEAST_SPEAKERS or are_words:  # names of negatives begin with what is said
        return None
    return Proposal(rule, dict(zip(own["path"][named.index], named, strict=True)))


def finding(clips: pd.DataFrame) -> Iterator[Finding]:
    """The finding that offers a proposal, if there is one."""
    if proposal := propose(clips):
        yield Finding(
            CODE,
            "info",
            f"{counted(proposal.count, 'speaker')} in file names",
            f"By the pattern {proposal.rule.pattern}, {proposal.examples()}. The app does not use it, so one person "
            "may be in two splits. Use it if these are people, then split from scratch.",
            tuple(proposal.named),
            "speakers",
        )


def apply(workspace: Workspace, clips: pd.DataFrame) -> Change:
    """Save the rule of the proposal as a change, which can be undone. Raises ValueError without a proposal, OSError."""
    proposal = propose(clips)
    if proposal is None:
        raise ValueError("No speakers were found in the names of the clips. Scan again to update the findings.")
    with importing.staging(workspace) as (change_id, folder):
        new, data = folder / speakers.FILE, workspace.root / "data"
        durable.replace_json(new, proposal.rule.model_dump())
        old = [Move(source=speakers.FILE, target=f"{changes.TRASH}/{change_id}/{speakers.FILE}")]
        moves = [Move(source=new.relative_to(data).as_posix(), target=speakers.FILE)]
        title = f"{counted(proposal.count, 'speaker')} taken from file names"
        return changes.apply(workspace, title, [*(old if (data / speakers.FILE).exists() else []), *moves], change_id)
