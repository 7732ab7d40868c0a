"""detector.json says what a model costs in eight bits, and with which threshold each of its models listens."""

import pytest

from trainer.detector import detector_file
from trainer.detector.detector_file import ColumnFacts, DetectorFile, Int8, Parity, Rates, Threshold, Unsmoothed
from trainer.detector.stream_scores import Point

RATES = Rates(accuracy=0.99, fpr=0.01, fnr=0.01)
FROM_STREAM = Threshold(
    source="validation_stream", false_accepts_per_hour=1, miss_rate=0.02, false_accepts=0, hours=0.8
)


def file_of(int8: Int8 | None, source: Threshold = FROM_STREAM) -> DetectorFile:
    return DetectorFile(
        run="20260101-000000-0000", label="tones", checkpoint="epoch-00001.pt", epoch=1, model="gru",
        window_seconds=2.0, hop_ms=80, smoothing_seconds=0.2, threshold=0.8, threshold_from=source,
        refractory_seconds=1.0, columns=ColumnFacts(step_samples=1280, context_samples=1, dropped=1, per_window=16),
        files={}, parity=Parity(largest_difference=1e-6, windows=512, within=True), int8=int8, versions={},
    )  # fmt: skip


def cost(misses: int, size: int = 500, heard: bool = True, accuracy: float = 0.99) -> Int8:
    """Eight bits that miss so many of 200 words, of which the model itself misses four."""
    after = RATES.model_copy(update={"accuracy": accuracy})
    return Int8(
        largest_difference=0.1, mean_difference=0.01, float32=RATES, int8=after,
        bytes=size, float32_bytes=1000, float32_stream=Point(0.8, 4, 200, 0, 0.8) if heard else None,
        int8_stream=Point(0.9, misses, 200, 0, 0.8) if heard else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("eight", "said"),
    [
        (cost(6), "misses 3.00 % of 200 words instead of 2.00 %, at threshold 0.9000."),
        (cost(7), "more than 1 % worse; use model.onnx."),
        (cost(2, size=1000), "The int8 model is not smaller; use model.onnx."),
        (cost(4, heard=False, accuracy=0.97), "more than 1 % worse; use model.onnx."),
    ],
)
def test_eight_bits_are_never_silently_worse(eight: Int8, said: str):
    last = detector_file.sentences(file_of(eight))[-1]
    assert said in last and eight.worth_taking == ("use model" not in last)


def test_eight_bits_listen_with_the_threshold_of_the_same_false_accepts():
    file = file_of(cost(6))
    assert detector_file.of_model(file, "model.int8.onnx").threshold == 0.9
    assert detector_file.of_model(file, "model.onnx").threshold == 0.8
    assert detector_file.of_model(file_of(cost(6, heard=False)), "model.int8.onnx").threshold == 0.8
    chosen = file_of(cost(6), Threshold(source="evaluation", false_accepts_per_hour=0.1))
    assert detector_file.of_model(chosen, "model.int8.onnx").threshold == 0.8
    assert detector_file.sentences(chosen)[-1].startswith("The threshold was measured with model.onnx only")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Threshold(source="default"), "Its threshold is 0.8, the default, as there is no validation stream"),
        (FROM_STREAM, "stream for 1 false accepts per hour: there it had 0 false accepts in 0.80 h and a miss rate"),
        (Threshold(source="evaluation", false_accepts_per_hour=0.1), "an evaluation for 0.1 false accepts per hour."),
        (Threshold(source="evaluation"), "Its threshold 0.8000 was chosen in an evaluation."),
    ],
)
def test_it_is_said_where_the_threshold_comes_from(source: Threshold, said: str):
    assert said in detector_file.sentences(file_of(None, source))[1]


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "a/b.onnx", "..", ""])
def test_a_stranger_s_model_names_no_file_outside_its_folder(name: str):
    """Else the zip that a user takes away and hands on would hold it."""
    document = file_of(None).model_dump()
    assert DetectorFile.model_validate(document | {"files": {"model.int8.onnx": "0"}})
    with pytest.raises(ValueError, match="files"):
        DetectorFile.model_validate(document | {"files": {name: "0"}})


def test_programs_that_load_the_head_listen_without_smoothing_with_a_threshold_of_their_own():
    own = Unsmoothed(threshold=0.95, threshold_from=FROM_STREAM.model_copy(update={"miss_rate": 0.1}))
    file = file_of(None).model_copy(update={"unsmoothed": own})
    for name in ("openwakeword.onnx", "openwakeword.tflite"):
        heard = detector_file.of_model(file, name)
        assert (heard.threshold, heard.threshold_from.miss_rate) == (0.95, 0.1)
        assert (heard.smoothing_seconds, heard.refractory_seconds) == (0.08, 2.0)
    earlier = detector_file.of_model(file_of(None), "openwakeword.onnx")
    assert (earlier.threshold, earlier.threshold_from.source) == (0.5, "default"), "an earlier version measured none"
