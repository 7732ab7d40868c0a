"""Whether the rating of a word tells how well it will be heard: `python -m benchmarks.ratings FOLDER`.

For each word: create a detector from the word alone, take the threshold at which it wakes 0.5 times an hour on the
speech and noise of ../shared/wakebench, and count the words of its test split that are missed there: those are by
synthetic voices that the training did not hear, clean, in noise and in rooms. FOLDER keeps workspaces, streams and a
line of results per word, which are reused. Printed are the words, and Spearman's rank correlations of misses, and of
false accepts at the threshold that ships, with the verdict and with the number of sounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import prior, quality
from benchmarks.create import created
from benchmarks.typed import share_speech
from trainer.detector.detector_file import NAME, DetectorFile
from trainer.evaluation import curve, evaluations
from trainer.run.runs import Run
from trainer.synthesis import phrases, word_rating
from trainer.system import durable
from trainer.system.workspace import Workspace

WORDS = (
    "jo", "tv", "mary", "lights", "stop", "banana", "computer", "jarvis", "alexa", "sheila", "marvin", "lumina",
    "zephyrine", "mirror", "hey you", "hey atlas", "okay robot", "hey jarvis", "hello computer", "good morning",
    "open sesame", "abracadabra",
)  # fmt: skip
MINUTES = 4.0
LEAST_LOGIT = -6.0
VERDICTS = ("poor", "fair", "good")


def measured(folder: Path, word: str, minutes: float, voices: str) -> dict[str, Any]:
    """Create a detector; its misses at `quality.BUDGET` and its false accepts per hour at the threshold that ships."""
    workspace = Workspace(folder / "workspaces" / word.replace(" ", "_"))
    share_speech(workspace, folder)
    run = Run(Path(created(workspace, word, 0, minutes, voices)["folder"]))
    heard = prior.measured(folder, word, run, LEAST_LOGIT, (0, 1))
    peaks, hours = sorted(heard["peaks"], reverse=True), heard["hours"]
    threshold = np.nextafter(peaks[int(quality.BUDGET * hours)], 1.0)
    evaluation = evaluations.all_of(run)[0]
    streams = evaluations.read_streams(evaluations.folder_of(run, evaluation.id), evaluation)
    file = durable.read_document(DetectorFile, run.model / NAME)
    point = curve.at_threshold(streams, float(threshold))
    assert file and point
    shipped = sum(peak >= file.threshold for peak in peaks) / hours
    return {"word": word, "minutes": minutes, "misses": point.miss_rate, "false_accepts_per_hour": shipped}


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The words by their misses, then the correlations with 95 % bootstrap intervals over words."""
    yield "| word | rating | sounds | missed % at 0.5 per hour | false accepts per hour as shipped |\n|" + " --- |" * 5
    english = phrases.find_language("en")
    ratings = {row["word"]: word_rating.rate(row["word"], english) for row in rows}
    for row in sorted(rows, key=lambda row: row["misses"]):
        rating = ratings[row["word"]]
        rates = f"{100 * row['misses']:.1f} | {row['false_accepts_per_hour']:.2f}"
        yield f"| {row['word']} | {rating.verdict} | {rating.sounds} | {rates} |"
    yield "\n| rank correlation | with misses | with false accepts |\n| --- | --- | --- |"
    verdicts = [VERDICTS.index(ratings[row["word"]].verdict) for row in rows]
    sounds = [ratings[row["word"]].sounds for row in rows]
    for name, values in (("verdict", verdicts), ("sounds", sounds)):
        cells = (_correlation(values, [row[key] for row in rows]) for key in ("misses", "false_accepts_per_hour"))
        yield f"| {name} | {' | '.join(cells)} |"


def _correlation(values: Sequence[float], rates: Sequence[float]) -> str:
    rng, pairs = np.random.default_rng(0), np.array([values, rates], float)
    draws = (pairs[:, rng.integers(len(values), size=len(values))] for _ in range(2000))
    low, high = np.nanpercentile([stats.spearmanr(*draw).statistic for draw in draws], [2.5, 97.5])
    return f"{stats.spearmanr(*pairs).statistic:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", nargs="+", default=WORDS)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for each creation")
    parser.add_argument("--voices", default="", help="a folder with the packages of Kokoro; else they are fetched")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    quality.lay_out(folder, prior.NEGATIVES)
    measure = partial(measured, minutes=arguments.minutes, voices=arguments.voices)
    rows = quality.measure_all(folder, [{"word": word} for word in arguments.words], measure)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
