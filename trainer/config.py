"""Every option of a training, once: type, default, range, unit, help, and the rules between options.

The form, the validation, the YAML files and the command line all read the declarations here; nothing repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SAMPLE_RATE = 16000
LATEST = "latest"
"""In `training.start_from`: the newest run that has a model; the start puts its id there."""


def option(
    default: float | int | str | bool,
    label: str,
    help: str,
    *,
    unit: str = "",
    advanced: bool = False,
    pattern: str | None = None,
    **limits: float,
) -> Any:  # noqa: ANN401 - the type of a pydantic field is the annotation beside it
    """One option: its default, what a person reads, and its limits (`ge`, `le`, `gt`, `lt`; `pattern` of a text)."""
    extra = {"unit": unit, "advanced": advanced}
    return Field(default, title=label, description=help, json_schema_extra=extra, pattern=pattern, **limits)  # type: ignore[call-overload]


# One option, one line: a table to read, so the formatter keeps off it.
# fmt: off
class Group(BaseModel):
    """Options that belong together; unknown keys, wrong types and NaN are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True)


class Data(Group):
    """How clips become the windows that the model hears."""

    window_seconds: float = option(1.5, "Window", "How much audio one decision hears; it must hold the whole phrase. Higher fits longer phrases and costs time in training and on the device; lower is quicker and cuts long phrases off.", unit="s", ge=0.5, le=5.0)
    word_margin_ms: int = option(50, "Margin after the word", "A positive window ends at least this long after the word. Higher makes the detector surer and later; lower makes it answer sooner.", unit="ms", ge=0, le=1000, advanced=True)
    positive_share: float = option(0.25, "Share of positives", "Part of an epoch's windows that hold the word; positives are repeated until it is reached. Higher finds more words and gives more false alarms; lower the other way round.", ge=0.05, le=0.9)
    unfinished_share: float = option(0.1, "Share of unfinished words", "Part of an epoch's windows that show the word before it is finished or after it is gone, as negatives. Higher makes the detector wait for the end of the word; 0 lets it fire on a part of it.", ge=0.0, le=0.5, advanced=True)
    background_share: float = option(0.05, "Share of background", "Part of an epoch's windows that hold background noise alone, as negatives. Higher keeps the detector quiet in noise and leaves fewer windows for speech; 0 turns them off.", ge=0.0, le=0.5, advanced=True)
    mined_share: float = option(0.0, "Share of mined negatives", "Part of an epoch's windows that are the negatives the model finds hardest to tell from the word. Higher means fewer false alarms and, in the end, more misses; 0 turns mining off.", ge=0.0, le=0.5)
    mining_epochs: int = option(5, "Mine every", "The hardest negatives are looked for anew after this many epochs. Lower follows the model more closely and takes longer, as every negative is scored each time.", unit="epochs", ge=1, le=1000, advanced=True)
    epoch_windows: int = option(0, "Windows per epoch", "At most this many windows in an epoch, drawn anew each time. Higher hears more of the clips before each validation; lower ends epochs sooner; 0 means every training clip at least once.", ge=0, le=10_000_000, advanced=True)


class Features(Group):
    """Log-mel spectrogram of a window."""

    mel_bands: int = option(40, "Mel bands", "Rows of the spectrogram. Higher shows finer detail of the voice and costs time and size; lower suits small devices.", ge=16, le=128)
    frame_ms: int = option(25, "Frame", "Length of the piece of sound behind one column of the spectrogram. Higher tells pitches apart better; lower tells moments apart better.", unit="ms", ge=10, le=64, advanced=True)
    hop_ms: int = option(10, "Hop", "Step from one column to the next. Higher means fewer columns and less work; lower is finer in time and costs time.", unit="ms", ge=5, le=32, advanced=True)
    low_hz: int = option(60, "Lowest frequency", "Sound below is not heard. Higher keeps rumble and hum out; lower keeps all of a deep voice.", unit="Hz", ge=0, le=1000, advanced=True)
    high_hz: int = option(7600, "Highest frequency", "Sound above is not heard. Higher keeps the hiss of s and f; lower suits narrow microphones: take 3800 for telephone audio.", unit="Hz", ge=2000, le=8000, advanced=True)


class Augmentation(Group):
    """What is done to a window each time it is drawn, so that no two epochs hear the same."""

    gain_db: float = option(10.0, "Gain", "Each window is made louder or quieter by up to this much. Higher holds over more distances and microphones; 0 leaves the level as recorded.", unit="dB", ge=0.0, le=30.0)
    shift_ms: int = option(400, "Shift", "The end of a positive window lies anywhere in this span after the margin behind the word. Higher keeps the score up for longer and trains slower; lower gives a short, sharp peak.", unit="ms", ge=0, le=1000)
    background_probability: float = option(0.7, "Background: how often", "Part of the windows that get background noise mixed in. Higher makes the detector hold in noise; lower makes it keener in quiet rooms; 0 turns it off.", ge=0.0, le=1.0)
    snr_low_db: float = option(0.0, "Background: lowest SNR", "The loudest noise: speech is this much above it. Lower makes the detector hold in louder noise and is harder to train; higher is easier.", unit="dB", ge=-10.0, le=60.0)
    snr_high_db: float = option(20.0, "Background: highest SNR", "The quietest noise: speech is this much above it. Higher keeps more windows nearly clean; lower makes all noise loud.", unit="dB", ge=-10.0, le=60.0)
    rir_probability: float = option(0.3, "Room: how often", "Part of the windows that are heard through a room impulse response. Higher makes the detector hold across the room; lower suits a close microphone; 0 turns it off.", ge=0.0, le=1.0)
    time_masks: int = option(1, "Time masks", "Stretches of time blanked in the spectrogram (SpecAugment). Higher counters learning by heart and slows learning; 0 turns them off.", ge=0, le=5, advanced=True)
    time_mask_ms: int = option(150, "Time mask: longest", "Longest stretch that is blanked. Higher hides more of the word at once; lower hides less; 0 turns the masks off.", unit="ms", ge=0, le=1000, advanced=True)
    frequency_masks: int = option(1, "Frequency masks", "Bands blanked in the spectrogram (SpecAugment). Higher counters learning by heart and slows learning; 0 turns them off.", ge=0, le=5, advanced=True)
    frequency_mask_bands: int = option(6, "Frequency mask: widest", "Most mel bands that one mask blanks. Higher hides more of the voice at once; lower hides less; 0 turns the masks off.", ge=0, le=64, advanced=True)


class Model(Group):
    """The network."""

    name: Literal["tc_resnet", "bc_resnet", "resnet18"] = option("tc_resnet", "Model", "tc_resnet: quick and strong, runs on small boards. bc_resnet: fewest parameters, slower to train. resnet18: large, for a GPU.")
    width: float = option(1.0, "Width", "Scales the channels of every layer. Higher learns finer differences, and is larger and slower; lower is smaller, quicker and coarser.", ge=0.25, le=8.0)
    dropout: float = option(0.1, "Dropout", "Part of the inner activations that are switched off while training. Higher counters learning by heart; lower learns faster from much data.", ge=0.0, le=0.8, advanced=True)


class Loss(Group):
    """What is minimised; the validation loss is always the cross-entropy, so that runs can be compared."""

    name: Literal["cross_entropy", "focal", "tail"] = option("cross_entropy", "Loss", "cross_entropy: every window counts alike. focal: windows that are told apart already count less. tail: cross-entropy, and on top of it the negatives that score highest must fall below the positives, which is what few false alarms need.")
    positive_weight: float = option(1.0, "Weight of positives", "A missed word counts this many times a false alarm. Higher: fewer misses, more false alarms; lower: the other way round.", ge=0.05, le=20.0)
    label_smoothing: float = option(0.05, "Label smoothing", "Keeps the model from being too sure of itself. Higher helps when labels are not perfect and flattens the scores; 0 trusts every label.", ge=0.0, lt=0.5, advanced=True)
    focal_gamma: float = option(2.0, "Focal: gamma", "With focal: higher looks away from easy windows sooner; 0 is cross-entropy.", ge=0.0, le=10.0, advanced=True)
    tail_share: float = option(0.1, "Tail: share", "With tail: this part of a batch's negatives, the highest scores, is what must fall. Higher looks at more of them and acts more gently; lower looks at the worst alone.", gt=0.0, le=1.0, advanced=True)
    tail_weight: float = option(1.0, "Tail: weight", "With tail: how much the tail counts beside the cross-entropy. Higher pushes the worst false alarms down and lets other windows go; 0 is cross-entropy.", ge=0.0, le=100.0, advanced=True)


class Optimizer(Group):
    """How the weights follow the gradient, and how fast."""

    name: Literal["adamw", "sgd"] = option("adamw", "Optimizer", "adamw: a step size of its own for every weight, right for most. sgd: one for all, with momentum; it needs a learning rate some ten times as high.")
    learning_rate: float = option(2e-3, "Learning rate", "Size of a step at its highest. Higher learns faster until the loss jumps; lower is steadier and slower.", gt=0.0, le=1.0)
    schedule: Literal["cosine", "one_cycle", "plateau", "constant"] = option("cosine", "Schedule", "Course of the learning rate. cosine: falls to zero along a cosine after the warm-up. one_cycle: rises over the first 30 % of the training, then falls to nothing; no warm-up besides. plateau: falls each time the validation loss stops improving. constant: stays.")
    weight_decay: float = option(1e-2, "Weight decay", "Pulls weights towards zero. Higher counters learning by heart; lower lets the model fit finer detail.", ge=0.0, le=1.0, advanced=True)
    warmup_epochs: float = option(1.0, "Warm-up", "The learning rate rises from zero over this time, then follows its schedule. Higher is gentler at the start; 0 starts at full rate.", unit="epochs", ge=0.0, le=100.0, advanced=True)
    plateau_factor: float = option(0.5, "Plateau: factor", "With plateau: the rate is multiplied by this each time. Higher falls gently; lower ends the learning sooner.", gt=0.0, lt=1.0, advanced=True)
    plateau_patience: int = option(3, "Plateau: patience", "With plateau: the rate falls after this many epochs without a lower validation loss. Higher waits longer at the same rate; lower falls sooner.", unit="epochs", ge=1, le=1000, advanced=True)
    momentum: float = option(0.9, "Momentum", "With sgd: how much of the last step goes into the next (Nesterov). Higher is smoother and overshoots more; 0 follows each batch alone.", ge=0.0, lt=1.0, advanced=True)
    gradient_clip: float = option(5.0, "Gradient clip", "Longest gradient that is followed. Higher trusts steep steps; lower makes every step small; 0 turns the limit off.", ge=0.0, le=1000.0, advanced=True)
    ema_decay: float = option(0.0, "Weight averaging", "The model that is validated and kept is a moving average of the weights, this much of it the old one at each step (less at the start). Higher averages over more steps: 0.99 some 100, 0.999 some 1,000; 0 keeps the weights as they are.", ge=0.0, lt=1.0, advanced=True)


class Training(Group):
    """How long, how fast and where."""

    start_from: str = option("", "Start from", "The run whose best model is trained on instead of a new one: its id, or `latest` for the newest run that has a model. Empty starts anew. Model and features must be those of that run.", pattern=r"^(|latest|[0-9]{8}-[0-9]{6}-[0-9a-f]{4})$")
    epochs: int = option(40, "Epochs", "Passes over the data. Higher learns more and takes longer, and early stopping ends what no longer improves; lower ends sooner.", ge=1, le=10_000)
    batch_size: int = option(64, "Batch size", "Windows per step. Higher fills a GPU, needs more memory and takes fewer steps; lower takes more and noisier steps. On a CPU 32 to 128 is best.", ge=2, le=8192)
    accumulate: int = option(1, "Accumulate", "Batches whose gradients make one step. Higher acts like a batch that many times as large in the memory of one, with fewer steps; 1 steps after every batch.", unit="batches", ge=1, le=1024, advanced=True)
    patience: int = option(15, "Early stopping", "Stop when the measure of the best model has not improved for this many epochs. Higher waits longer for a better model; lower ends sooner; 0 never stops early.", unit="epochs", ge=0, le=10_000)
    best_by: Literal["val_loss", "f1", "miss_rate"] = option("val_loss", "Best model by", "What makes an epoch better than another. val_loss: lower validation loss. f1: higher F1 of the validation windows. miss_rate: fewer words missed in the validation stream at its false-accept rate; where that cannot be measured the validation loss decides. The validation loss also decides between equals.")
    checkpoint_minutes: float = option(5.0, "Checkpoint within an epoch", "A long epoch is saved this often, so that a run that breaks off loses no more. Higher writes less often; lower loses less; 0 saves after epochs only. No result depends on it.", unit="min", ge=0.0, le=1440.0, advanced=True)
    seed: int = option(0, "Seed", "Same seed, same data, same machine: same model. Higher or lower makes no better model, only another draw of windows and first weights.", ge=0, le=2**31 - 1, advanced=True)
    device: Literal["auto", "cpu", "cuda"] = option("auto", "Device", "auto takes a GPU where there is one. cpu: this machine's processor. cuda: an NVIDIA GPU, or the start is refused.")
    threads: int = option(0, "CPU threads", "Higher trains faster up to the number of cores; lower leaves cores to others; 0 takes all cores.", ge=0, le=256, advanced=True)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option("auto", "Precision", "Numbers inside the model while it learns. auto: bfloat16 on a GPU that has it, else float32. float32: exact and, on GPUs, slower. bfloat16: half the memory, coarser. float16: for older GPUs, with scaled gradients.", advanced=True)
    compile: bool = option(False, "Compile the model", "Has torch.compile make faster code for the model. It takes minutes at the start, so it pays for long trainings on a GPU; it needs a C++ compiler.", advanced=True)
    exact: bool = option(True, "Exact", "Take only operations that give the same result each time, so that the same seed gives the same model. Off may be faster on a GPU, and no two runs are alike there.", advanced=True)


class Config(Group):
    """Everything that decides a training. `preset` names the preset that it began as, or is empty."""

    preset: str = Field("", pattern=r"^[a-z0-9_]{0,64}$")
    data: Data = Data()
    features: Features = Features()
    augmentation: Augmentation = Augmentation()
    model: Model = Model()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    training: Training = Training()

    @model_validator(mode="after")
    def rules(self) -> Config:
        """Rules between options; each broken one is a line `option: sentence` that names the option to change."""
        if broken := list(broken_rules(self)):
            raise ValueError("\n".join(broken))
        return self


def broken_rules(config: Config) -> Iterator[str]:
    """Each rule between options that does not hold, as `option: sentence`; a NaN breaks none."""
    data, features, augmentation = config.data, config.features, config.augmentation
    shares = data.positive_share + data.unfinished_share + data.background_share + data.mined_share
    if shares > 0.95:
        yield f"data.positive_share: the shares of positives, unfinished words, background and mined negatives add up to {shares:.2f}; leave at least 0.05 for other negatives."
    if augmentation.snr_low_db > augmentation.snr_high_db:
        yield f"augmentation.snr_low_db: the lowest SNR ({augmentation.snr_low_db:g} dB) is above the highest ({augmentation.snr_high_db:g} dB); swap them."
    if features.low_hz >= features.high_hz:
        yield f"features.low_hz: the lowest frequency ({features.low_hz} Hz) must be below the highest ({features.high_hz} Hz)."
    if features.hop_ms > features.frame_ms:
        yield f"features.hop_ms: a hop of {features.hop_ms} ms skips sound between frames of {features.frame_ms} ms; take at most the frame."
    if augmentation.frequency_mask_bands >= features.mel_bands:
        yield f"augmentation.frequency_mask_bands: a mask of {augmentation.frequency_mask_bands} bands can blank all {features.mel_bands} mel bands; take fewer."
    if data.word_margin_ms + augmentation.shift_ms > 700 * data.window_seconds:
        yield f"augmentation.shift_ms: margin and shift ({data.word_margin_ms + augmentation.shift_ms} ms) leave too little of the {data.window_seconds:g} s window for the word; keep them under 70 % of it."
    if config.training.precision == "float16" and config.training.device == "cpu":
        yield "training.precision: float16 is for GPUs; on a CPU take float32, or bfloat16."
    if config.optimizer.warmup_epochs > config.training.epochs:
        yield f"optimizer.warmup_epochs: a warm-up of {config.optimizer.warmup_epochs:g} epochs is longer than the training of {config.training.epochs}."
# fmt: on
