"""The catalog of public corpora: purpose, licence and address of each, and which of its files are taken."""

from __future__ import annotations

import re
from typing import Self

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator, model_validator

from trainer.system import regular_file
from trainer.system.workspace import LABELS, STREAM, Workspace

OWN_FILE = "corpora.json"
"""In data: further corpora of the user's own, as a JSON list of `Corpus`."""
MIRROR_VARIABLE = "WAKEWORD_CORPORA_MIRROR"
"""An address or a folder that is used instead of the addresses of the catalog."""
FEATURES = "features"
"""In the place of a label: outputs of the speech embedding, in data/features."""


class Part(BaseModel, frozen=True, extra="forbid"):
    """The files of a corpus that become clips of one label, or features.

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
        if label not in (*LABELS, FEATURES):
            raise ValueError(f"{label!r:.40} is none of {', '.join((*LABELS, FEATURES))}")
        return label

    @model_validator(mode="after")
    def _has_groups(self) -> Self:
        if self.label != FEATURES and not {"source", "clip"} <= set(re.compile(self.pattern).groupindex):
            raise ValueError("the pattern needs the groups source and clip")
        return self


class Corpus(BaseModel, frozen=True, extra="forbid"):
    """A corpus: one archive (.tar.gz) with its address and SHA-256, or files of a data set on the Hugging Face Hub.

    `megabytes`: the download. `unpacked_megabytes`: what is kept of it. `hours`: the audio that is kept.
    """

    name: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,60}$")
    title: str
    purpose: str
    licence: str
    attribution: str
    homepage: str = Field(pattern=r"^https?://[^\s()<>]+$")
    url: str = Field("", pattern=r"^(https?://\S+/[\w.-]+\.tar\.gz)?$")
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    hub: str = Field("", pattern=r"^([\w.-]+/[\w.-]+)?$")
    """The data set on the Hub, which publishes the digest of each file."""
    megabytes: float = Field(gt=0)
    unpacked_megabytes: float = Field(gt=0)
    hours: float = Field(gt=0)
    parts: tuple[Part, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if bool(self.url and self.sha256) == bool(self.hub):
            raise ValueError("it needs either url and sha256, or hub")
        return self

    @property
    def archive(self) -> str:
        """The file name of the archive; empty for files on the Hub."""
        return self.url.rpartition("/")[2]

    @property
    def labels(self) -> list[str]:
        return [part.label for part in self.parts]


def _librispeech(subset: str, kind: str, sha256: str, megabytes: float, hours: float, speakers: int) -> Corpus:
    return Corpus(
        name=f"librispeech-{subset}",
        title=f"LibriSpeech {subset}",
        purpose=f"English read aloud by {speakers} people, {kind}: chooses the threshold and counts false alarms",
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
                label=STREAM,
                pattern=rf"(^|/)LibriSpeech/{subset}/(?P<source>\d+)/\d+/(?P<clip>[\w-]+\.flac)$",
            ),
        ),
    )


CLEAN, OTHER = "clearly recorded", "harder to recognise"
CATALOG: tuple[Corpus, ...] = (
    _librispeech("dev-clean", CLEAN, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3", 338, 5.4, 40),
    _librispeech("dev-other", OTHER, "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365", 314, 5.3, 33),
    _librispeech("test-clean", CLEAN, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23", 347, 5.4, 40),
    _librispeech("test-other", OTHER, "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29", 329, 5.1, 33),
    Corpus(
        name="speech-commands",
        title="Speech Commands v2",
        purpose="3,000 of 105,829 recordings of 35 single words by many people, such as yes, stop and marvin, as "
        "negatives, and six noises. Not for a wake word that is among them",
        licence="CC BY 4.0",
        attribution="P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, 2018",
        homepage="https://arxiv.org/abs/1804.03209",
        url="http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        megabytes=2429,
        unpacked_megabytes=110,
        hours=0.9,
        parts=(
            Part(
                label="negative",
                pattern=r"(^|/)(?P<word>[a-z]+)/(?P<clip>(?P<source>[0-9a-f]{8})_nohash_\d+\.wav)$",
                most=3000,
            ),
            Part(label="background", pattern=r"(^|/)_background_noise_/(?P<clip>(?P<source>\w+)\.wav)$"),
        ),
    ),
    Corpus(
        name="mit-rooms",
        title="MIT room impulse responses",
        purpose="270 rooms and places of daily life, measured at 1.5 m: how words sound at a distance",
        licence="not stated",
        attribution="J. Traer and J. H. McDermott, Statistics of natural reverberation enable perceptual separation of "
        "sound and space, PNAS 2016",
        homepage="http://mcdermottlab.mit.edu/Reverb/IR_Survey.html",
        hub="davidscripka/MIT_environmental_impulse_responses",
        megabytes=8.4,
        unpacked_megabytes=8.4,
        hours=0.1,
        parts=(Part(label="rirs", pattern=r"(^|/)16khz/(?P<clip>(?P<source>h\d+)_[^/]*\.wav)$"),),
    ),
    Corpus(
        name="openwakeword-validation",
        title="openWakeWord validation features",
        purpose="speech, noise and music as outputs of the speech embedding: choose the threshold of models on it, such"
        " as recommended. Not for commercial use",
        licence="CC BY-NC-SA 4.0",
        attribution="D. Scripka, openWakeWord",
        homepage="https://huggingface.co/datasets/davidscripka/openwakeword_features",
        hub="davidscripka/openwakeword_features",
        megabytes=185,
        unpacked_megabytes=185,
        hours=11,
        parts=(Part(label=FEATURES, pattern=r"(^|/)validation_set_features\.npy$"),),
    ),
)
"""Addresses and digests of archives are those of torchaudio.datasets, which only the engine may import: a test compares
them. Sizes, hours and licences are those that the publishers state."""


def is_address(source: str) -> bool:
    """Whether a source is an address rather than a folder."""
    return source.startswith(("http://", "https://"))


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
