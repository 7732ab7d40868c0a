"""Every option of a training, once: type, default, range, unit, help, and the rules between options.

The form, the validation, the YAML files and the command line all read the declarations here; nothing repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

EMBEDDING_NUMBERS, EMBEDDING_STEPS = 96, 16
"""Rows and columns of the speech embedding of a window."""
EMBEDDING_WINDOW_SECONDS, EMBEDDING_STEP_SECONDS = 2.0, 0.08
EMBEDDING_MODELS = ("dense", "gru", "conv_attention")
"""The models that can stand behind it."""
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
    hard_negative_share: float = option(0.0, "Share of hard negatives", "Part of an epoch's windows that are clips labelled hard_negative, repeated until it is reached. Higher tells look-alikes apart better and leaves less time for all other speech; 0 hears them as often as other negatives.", ge=0.0, le=0.5)
    mined_share: float = option(0.0, "Share of mined negatives", "Part of an epoch's windows that are the negatives the model finds hardest to tell from the word. Higher means fewer false alarms and, in the end, more misses; 0 turns mining off.", ge=0.0, le=0.5)
    mining_epochs: int = option(5, "Mine every", "The hardest negatives are looked for anew after this many epochs. Lower follows the model more closely and takes longer, as every negative is scored each time.", unit="epochs", ge=1, le=1000, advanced=True)
    epoch_windows: int = option(0, "Windows per epoch", "At most this many windows in an epoch, drawn anew each time. Higher hears more of the clips before each validation; lower ends epochs sooner; 0 means every training clip at least once.", ge=0, le=10_000_000, advanced=True)


class Features(Group):
    """What the model sees of a window: rows over columns of time."""

    kind: Literal["log_mel", "mfcc", "pcen", "speech_embedding"] = option("log_mel", "Features", "log_mel: logarithm of the mel spectrogram. mfcc: a few cepstral coefficients, for the smallest models. pcen: each mel band against its own past, which keeps steady noise out. speech_embedding: from a public network that knows speech (Apache-2.0), for few positives too; also for openWakeWord; a window of 2 s.")
    mel_bands: int = option(40, "Mel bands", "Bands of the mel spectrogram, the rows of log_mel and pcen. Higher shows finer detail of the voice and costs time and size; lower suits small devices.", ge=16, le=128)
    mfcc_coefficients: int = option(13, "MFCC coefficients", "Rows of mfcc, unused by others. Higher keeps finer detail of the voice; lower keeps its broad shape and makes a smaller model.", ge=8, le=64, advanced=True)
    normalisation: Literal["mean", "window", "data_set", "none"] = option("mean", "Normalisation", "mean: the mean of each window is taken off, so that the level matters less (mfcc: of each coefficient). window: its standard deviation becomes 1 besides. data_set: each row by its mean and standard deviation over the training clips; the level stays visible. none: as they are.", advanced=True)
    frame_ms: int = option(25, "Frame", "Length of the piece of sound behind one column of the spectrogram. Higher tells pitches apart better; lower tells moments apart better.", unit="ms", ge=10, le=64, advanced=True)
    hop_ms: int = option(10, "Hop", "Step from one column to the next. Higher means fewer columns and less work; lower is finer in time and costs time.", unit="ms", ge=5, le=32, advanced=True)
    low_hz: int = option(60, "Lowest frequency", "Sound below is not heard. Higher keeps rumble and hum out; lower keeps all of a deep voice.", unit="Hz", ge=0, le=1000, advanced=True)
    high_hz: int = option(7600, "Highest frequency", "Sound above is not heard. Higher keeps the hiss of s and f; lower suits narrow microphones: take 3800 for telephone audio.", unit="Hz", ge=2000, le=8000, advanced=True)
    embedding_rounds: int = option(4, "Rounds of embeddings", "Speech embeddings are computed for this many differently augmented epochs before the first one, and heard in turn. Higher hears more variety and takes longer to start and more of the disk; unused by other features.", ge=1, le=100, advanced=True)


class Augmentation(Group):
    """What is done to a window each time it is drawn, so that no two epochs hear the same."""

    gain_probability: float = option(1.0, "Gain: how often", "Part of the windows whose level is changed. Higher holds over more distances and microphones; lower keeps more windows as recorded; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    gain_db: float = option(10.0, "Gain", "Each window is made louder or quieter by up to this much. Higher holds over more distances and microphones; 0 leaves the level as recorded.", unit="dB", ge=0.0, le=30.0)
    shift_ms: int = option(400, "Shift", "The end of a positive window lies anywhere in this span after the margin behind the word. Higher keeps the score up for longer and trains slower; lower gives a short, sharp peak.", unit="ms", ge=0, le=1000)
    speed_probability: float = option(0.0, "Speed: how often", "Part of the windows that are played faster or slower, pitch and tempo together. Higher makes few speakers sound like more; 0 turns it off.", ge=0.0, le=1.0)
    speed_percent: float = option(10.0, "Speed: most", "Speed changes by up to this much either way. Higher covers more voices and bends the word further; a slowed word must still fit into the window.", unit="%", ge=0.0, le=30.0, advanced=True)
    background_probability: float = option(0.7, "Background: how often", "Part of the windows that get background noise mixed in. Higher makes the detector hold in noise; lower makes it keener in quiet rooms; 0 turns it off.", ge=0.0, le=1.0)
    backgrounds_most: int = option(1, "Background: most at once", "Up to this many noises, equally loud, make the background of one window. Higher mixes fuller noise from the same clips and reads more of them; 1 takes one at a time.", ge=1, le=8, advanced=True)
    snr_low_db: float = option(0.0, "Background: lowest SNR", "The loudest noise: speech is this much above it. Lower makes the detector hold in louder noise and is harder to train; higher is easier.", unit="dB", ge=-10.0, le=60.0)
    snr_high_db: float = option(20.0, "Background: highest SNR", "The quietest noise: speech is this much above it. Higher keeps more windows nearly clean; lower makes all noise loud.", unit="dB", ge=-10.0, le=60.0)
    colour_probability: float = option(0.0, "Coloured noise: how often", "Part of the windows that get made noise of a random colour, at the SNR of backgrounds. Higher makes up for few background clips; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    colour_slope_low: float = option(-2.0, "Coloured noise: lowest slope", "Power of the deepest noise goes with frequency to this power: -2 rumbles, 0 is white. Lower allows deeper noise; higher keeps it brighter.", ge=-3.0, le=3.0, advanced=True)
    colour_slope_high: float = option(1.0, "Coloured noise: highest slope", "Power of the brightest noise goes with frequency to this power: 0 is white, 1 hisses. Higher allows sharper noise; lower keeps it deeper.", ge=-3.0, le=3.0, advanced=True)
    rir_probability: float = option(0.3, "Room: how often", "Part of the windows that are heard through a room impulse response. Higher makes the detector hold across the room; lower suits a close microphone; 0 turns it off.", ge=0.0, le=1.0)
    band_probability: float = option(0.0, "Band limits: how often", "Part of the windows that are heard as through a telephone or a poor microphone. Higher makes the detector hold there; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    band_low_hz: float = option(300.0, "Band limits: lower edge", "Sound below is cut away, up to half an octave lower or higher each time. Higher sounds thinner; lower leaves more of a deep voice.", unit="Hz", ge=20.0, le=1000.0, advanced=True)
    band_high_hz: float = option(3400.0, "Band limits: upper edge", "Sound above is cut away, up to half an octave lower or higher each time. Higher leaves more of s and f; lower sounds duller.", unit="Hz", ge=1500.0, le=8000.0, advanced=True)
    clip_probability: float = option(0.0, "Clipping: how often", "Part of the windows whose peaks are cut off, as by a microphone that is too loud. Higher makes the detector hold when somebody shouts; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    clip_db: float = option(12.0, "Clipping: most", "Peaks are cut off up to this far below the highest. Higher distorts more; lower only touches the highest peaks.", unit="dB", ge=0.0, le=30.0, advanced=True)
    time_masks: int = option(1, "Time masks", "Stretches of time blanked in the spectrogram (SpecAugment). Higher counters learning by heart and slows learning; 0 turns them off.", ge=0, le=5, advanced=True)
    time_mask_ms: int = option(150, "Time mask: longest", "Longest stretch that is blanked. Higher hides more of the word at once; lower hides less; 0 turns the masks off.", unit="ms", ge=0, le=1000, advanced=True)
    frequency_masks: int = option(1, "Frequency masks", "Bands blanked in the spectrogram (SpecAugment). Higher counters learning by heart and slows learning; 0 turns them off.", ge=0, le=5, advanced=True)
    frequency_mask_bands: int = option(6, "Frequency mask: widest", "Most rows of the features that one mask blanks. Higher hides more of the voice at once; lower hides less; 0 turns the masks off.", ge=0, le=64, advanced=True)
    mixup_probability: float = option(0.0, "Mixup: how often", "Part of the windows that are blended with another one of their batch, label and all. Higher makes scores less sure and counters learning by heart; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    mixup_alpha: float = option(0.2, "Mixup: strength", "Blends are drawn from a beta distribution with this parameter. Higher blends more evenly; lower leaves one of the two nearly alone.", ge=0.01, le=10.0, advanced=True)


class Model(Group):
    """The network."""

    name: Literal["tc_resnet", "bc_resnet", "resnet18", "mobilenet_v3_small", "tcn", "lstm", "gru", "dense", "conv_attention"] = option("tc_resnet", "Model", "tc_resnet: quick and strong, runs on small boards. bc_resnet: fewest parameters, slower to train. resnet18: large, for a GPU. mobilenet_v3_small: the phone's picture network, large and yet quick. tcn: small, only looks back. lstm: recurrent, reads frame by frame. gru: like lstm, with fewer parameters. dense: plain layers for speech embeddings. conv_attention: the stronger head for speech embeddings.")
    width: float = option(1.0, "Width", "Scales the channels of every layer. Higher learns finer differences, and is larger and slower; lower is smaller, quicker and coarser.", ge=0.25, le=8.0)
    dropout: float = option(0.1, "Dropout", "Part of the inner activations that are switched off while training. Higher counters learning by heart; lower learns faster from much data.", ge=0.0, le=0.8, advanced=True)


class Loss(Group):
    """Weighted binary cross-entropy, the loss of training and validation."""

    positive_weight: float = option(1.0, "Weight of positives", "A missed word counts this many times a false alarm. Higher: fewer misses, more false alarms; lower: the other way round.", ge=0.05, le=20.0)
    label_smoothing: float = option(0.05, "Label smoothing", "Keeps the model from being too sure of itself. Higher helps when labels are not perfect and flattens the scores; 0 trusts every label.", ge=0.0, lt=0.5, advanced=True)


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

    start_from: str = option("", "Start from", "The run whose best model is trained on instead of a new one: its id, or `latest` for the newest run that has a model; `ID/epoch-00012` is another checkpoint that it keeps. Empty starts anew. Model and features must be those of that run.", pattern=r"^(|latest|[0-9]{8}-[0-9]{6}-[0-9a-f]{4}(/epoch-[0-9]{5}(-batch-[0-9]{7})?)?)$")
    epochs: int = option(40, "Epochs", "Passes over the data. Higher learns more and takes longer, and early stopping ends what no longer improves; lower ends sooner.", ge=1, le=10_000)
    batch_size: int = option(64, "Batch size", "Windows per step. Higher fills a GPU, needs more memory and takes fewer steps; lower takes more and noisier steps. On a CPU 32 to 128 is best.", ge=2, le=8192)
    accumulate: int = option(1, "Accumulate", "Batches whose gradients make one step. Higher acts like a batch that many times as large in the memory of one, with fewer steps; 1 steps after every batch.", unit="batches", ge=1, le=1024, advanced=True)
    patience: int = option(15, "Early stopping", "Stop when the measure of the best model has not improved for this many epochs. Higher waits longer for a better model; lower ends sooner; 0 never stops early.", unit="epochs", ge=0, le=10_000)
    best_by: Literal["robust_loss", "val_loss", "f1", "miss_rate"] = option("robust_loss", "Best model by", "What makes an epoch better than another. robust_loss: validation loss without the worst 5 % of each label, lower by 0.8 %, so that wrong labels do not decide. val_loss: lower, with all windows. f1: higher F1 of the validation windows. miss_rate: fewer words missed in the validation stream at its false-accept rate; only epochs after which it was heard count. The validation loss decides between equals.")
    false_accepts_per_hour: float = option(1.0, "False accepts per hour", "The validation clips are also heard as one stream, as a device would hear them, and this many false alarms an hour are allowed there; the miss rate says how many words that costs. Higher allows more false alarms and finds more words; it changes no training unless the best model is chosen by it.", unit="per hour", gt=0.0, le=1000.0, advanced=True)
    stream_epochs: int = option(5, "Heard as a stream every", "After this many epochs, and after the last one, the validation stream is scored. Lower follows the miss rate more closely and takes longer; 0 never does.", unit="epochs", ge=0, le=1000, advanced=True)
    checkpoint_minutes: float = option(5.0, "Checkpoint within an epoch", "A long epoch is saved this often, so that a run that breaks off loses no more. Higher writes less often; lower loses less; 0 saves after epochs only. No result depends on it.", unit="min", ge=0.0, le=1440.0, advanced=True)
    seed: int = option(0, "Seed", "Same seed, same data, same machine: same model. Higher or lower makes no better model, only another draw of windows and first weights.", ge=0, le=2**31 - 1, advanced=True)
    device: Literal["auto", "cpu", "cuda"] = option("auto", "Device", "auto takes a GPU where there is one. cpu: this machine's processor. cuda: an NVIDIA GPU, or the start is refused.")
    threads: int = option(0, "CPU threads", "Higher trains faster up to the number of cores; lower leaves cores to others; 0 takes all cores. With 2 or more, one thread besides prepares the next batch while the model learns from this one; with 1 the two take turns.", ge=0, le=256, advanced=True)
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


def feature_rows(features: Features) -> int:
    """Rows of what the model sees of a window."""
    if features.kind == "speech_embedding":
        return EMBEDDING_NUMBERS
    return features.mfcc_coefficients if features.kind == "mfcc" else features.mel_bands


def broken_rules(config: Config) -> Iterator[str]:
    """Each rule between options that does not hold, as `option: sentence`; a NaN breaks none."""
    data, features, augmentation = config.data, config.features, config.augmentation
    shares = data.positive_share + data.unfinished_share + data.background_share + data.hard_negative_share + data.mined_share
    if shares > 0.95:
        yield f"data.positive_share: the shares of positives, unfinished words, background, hard and mined negatives add up to {shares:.2f}; leave at least 0.05 for other negatives."
    if features.kind == "mfcc" and features.mfcc_coefficients > features.mel_bands:
        yield f"features.mfcc_coefficients: {features.mfcc_coefficients} coefficients cannot come from {features.mel_bands} mel bands; take at most as many."
    yield from _broken_embedding_rules(config)
    if augmentation.snr_low_db > augmentation.snr_high_db:
        yield f"augmentation.snr_low_db: the lowest SNR ({augmentation.snr_low_db:g} dB) is above the highest ({augmentation.snr_high_db:g} dB); swap them."
    if augmentation.colour_slope_low > augmentation.colour_slope_high:
        yield f"augmentation.colour_slope_low: the lowest slope ({augmentation.colour_slope_low:g}) is above the highest ({augmentation.colour_slope_high:g}); swap them."
    if features.low_hz >= features.high_hz:
        yield f"features.low_hz: the lowest frequency ({features.low_hz} Hz) must be below the highest ({features.high_hz} Hz)."
    if features.hop_ms > features.frame_ms:
        yield f"features.hop_ms: a hop of {features.hop_ms} ms skips sound between frames of {features.frame_ms} ms; take at most the frame."
    if augmentation.frequency_mask_bands >= feature_rows(features):
        yield f"augmentation.frequency_mask_bands: a mask of {augmentation.frequency_mask_bands} bands can blank all {feature_rows(features)} rows of the features; take fewer."
    if data.word_margin_ms + augmentation.shift_ms > 700 * data.window_seconds:
        yield f"augmentation.shift_ms: margin and shift ({data.word_margin_ms + augmentation.shift_ms} ms) leave too little of the {data.window_seconds:g} s window for the word; keep them under 70 % of it."
    if config.training.precision == "float16" and config.training.device == "cpu":
        yield "training.precision: float16 is for GPUs; on a CPU take float32, or bfloat16."
    if config.training.best_by == "miss_rate" and not config.training.stream_epochs:
        yield "training.stream_epochs: the best model is chosen by the miss rate, so the stream must be heard; set 1 or more."
    if config.optimizer.warmup_epochs > config.training.epochs:
        yield f"optimizer.warmup_epochs: a warm-up of {config.optimizer.warmup_epochs:g} epochs is longer than the training of {config.training.epochs}."


def _broken_embedding_rules(config: Config) -> Iterator[str]:
    """The speech embedding has its window and its models."""
    name, seconds = config.model.name, config.data.window_seconds
    if config.features.kind != "speech_embedding":
        return
    if name not in EMBEDDING_MODELS:
        yield f"model.name: {name} is not for the speech embedding; take one of {', '.join(EMBEDDING_MODELS)}."
    if seconds != EMBEDDING_WINDOW_SECONDS:
        yield f"data.window_seconds: the speech embedding hears {EMBEDDING_WINDOW_SECONDS:g} s, as in a stream, and not {seconds:g} s; set {EMBEDDING_WINDOW_SECONDS:g}."
# fmt: on
