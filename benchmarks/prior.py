"""The rates behind `shipped_threshold.prior_threshold` of the engine: `python -m benchmarks.prior FOLDER [--typed]`.

For each of six words: train `recommended` on synthetic recordings of the word and its look-alikes and on real negatives
of ../shared/wakebench, or, with --typed, create a detector as the app does from the word alone, without any recording
of people; then score the best model on recordings of real speech and noise. Only recordings of even number
are counted, so that `benchmarks.quality` can report on the others with other words. FOLDER keeps the data sets and one
file of peaks per word, so that what is there is not measured again; the rates by threshold are printed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import create, quality
from benchmarks.create import created
from benchmarks.quality import wakebench
from benchmarks.typed import share_speech
from trainer.audio import manifest
from trainer.dataset import clips as clips_of
from trainer.dataset.scan import scan
from trainer.run.runs import Run
from trainer.synthesis import espeak, phrases, recipes
from trainer.system.workspace import Workspace

WORDS = ("hey atlas", "marvin", "okay robot", "sheila", "lumina", "hello computer")
LOGITS = (2.0, 2.4, 2.8, 3.0, 3.2, 3.4, 3.6, 3.8)
TYPED_LOGITS = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
CLIPS = 330
NEGATIVES = "jarvis"
"""The word of wakebench whose negatives and streams are used; the streams hold it only in those with words."""


def workspace_of(folder: Path, word: str) -> Workspace:
    """A workspace with synthetic positives and look-alikes of a word; a quarter of the voices is for validation."""
    base = quality.workspace_of(folder, NEGATIVES, 0)
    workspace = Workspace(folder / "workspaces" / word.replace(" ", "_"))
    if manifest.split_file(workspace, "test").exists():
        return workspace
    parts = dict[str, str]()
    for part in ("train", "val"):
        for clip in manifest.read_split(base, part):
            if clip.label != "positive":
                target = workspace.raw / clip.path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(base.raw / clip.path, target)
                parts[clip.path] = part
    rng, english = random.Random(5), phrases.find_language("en")
    for label, spoken in (("positive", [word]), ("hard_negative", phrases.look_alikes(word, english))):
        utterances = recipes.utterances(spoken, english.voices, CLIPS, workspace.raw / label, rng)
        espeak.speak(utterances, lambda done: None)
    voices = sorted({path.parent.name for path in (workspace.raw / "positive").rglob("*.wav")})
    scan(workspace, lambda *progress: None)
    split: dict[str, list[manifest.Clip]] = {"train": [], "val": []}
    scanned = clips_of.load(workspace)
    assert scanned is not None
    for clip in clips_of.as_manifest(scanned.clips):
        split[parts.get(clip.path) or ("val" if clip.path.split("/")[1] in voices[::4] else "train")].append(clip)
    for part, clips in (split | {"test": split["val"]}).items():
        manifest.write_split(workspace, part, clips)
    return workspace


def peaks(probability: np.ndarray, least: float) -> list[float]:
    """The peaks of smoothed probabilities [n], highest first, at least a second apart, above a logit."""
    left, found = probability.copy(), []
    while (value := float(left.max())) >= 1 / (1 + np.exp(-least)):
        at = int(left.argmax())
        left[max(0, at - 10) : at + 11] = -1
        found.append(value)
    return found


def typed(folder: Path, word: str, voices: str) -> Run:
    """The run of a detector that `create` makes from the word alone."""
    workspace = Workspace(folder / "typed" / word.replace(" ", "_"))
    share_speech(workspace, folder)
    return Run(Path(created(workspace, word, 0, create.MINUTES, voices)["folder"]))


def measured(folder: Path, word: str, run: Run, least: float, remainders: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Peaks and hours of recordings, heard by a model of this word: by default of those of even number."""
    truth = json.loads((folder / "streams" / NEGATIVES / "truth.json").read_text())
    raw, _, _ = wakebench.collect(
        quality.scorer_of(run, folder), folder / "streams" / NEGATIVES, truth | {"positive": {}}
    )
    some = [track for name, track in raw.items() if int(name.rpartition("_")[2]) % 2 in remainders]
    heard = [peak for times, scores in some for peak in peaks(wakebench.smooth(times, scores, 0.2), least)]
    return {"word": word, "peaks": heard, "hours": sum(float(times[-1]) for times, _ in some) / 3600}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=WORDS)
    parser.add_argument("--threads", type=int, default=0, help="of each training; 0: all cores")
    parser.add_argument("--typed", action="store_true", help="create the detectors from the words alone")
    parser.add_argument("--voices", default="", help="a folder with the packages of Kokoro; else they are fetched")
    arguments = parser.parse_args()
    folder, rows = arguments.folder.resolve(), []
    kind, logits = ("typed", TYPED_LOGITS) if arguments.typed else ("prior", LOGITS)
    quality.lay_out(folder, NEGATIVES)
    for word in arguments.words:
        file = folder / f"{kind}-{word.replace(' ', '_')}.json"
        if not file.exists():
            if arguments.typed:
                run = typed(folder, word, arguments.voices)
            else:
                run, _ = quality.train(workspace_of(folder, word), "recommended", 0, arguments.threads)
            file.write_text(json.dumps(measured(folder, word, run, logits[0])))
        rows.append(json.loads(file.read_text()))
    print("| word | " + " | ".join(f"{logit:g}" for logit in logits) + " |")
    print("|" + " --- |" * (len(logits) + 1))
    for name, group in (*((row["word"], [row]) for row in rows), ("all", rows)):
        heard, hours = np.concatenate([row["peaks"] for row in group]), sum(row["hours"] for row in group)
        counts = [(heard >= 1 / (1 + np.exp(-logit))).sum() for logit in logits]
        print(f"| {name} | " + " | ".join(f"{count / hours:.2f}" for count in counts) + " |")


if __name__ == "__main__":
    main()
