"""Declaration of every training option: type, default, range, unit, help, and the rules between options.

The form, the validation, the YAML files, the command line and the documentation use these declarations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

EMBEDDING_NUMBERS, EMBEDDING_STEPS = 96, 16
"""Rows and columns of the speech embedding of a window."""
EMBEDDING_WINDOW_SECONDS, EMBEDDING_STEP_SECONDS = 2.0, 0.08
EMBEDDING_MODELS = ("dense", "gru", "lstm", "conv_attention")
"""The models for speech embeddings."""
LATEST = "latest"
"""In `training.start_from`: the newest run with a model; starting a run replaces it by the id."""


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
    """One option: its default, label, help and limits (`ge`, `le`, `gt`, `lt`; `pattern` of a text)."""
    extra = {"unit": unit, "advanced": advanced}
    return Field(default, title=label, description=help, json_schema_extra=extra, pattern=pattern, **limits)  # type: ignore[call-overload]


# A table: one option per line.
# fmt: off
class Group(BaseModel):
    """A group of options; unknown keys, wrong types and NaN are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True)


class Data(Group):
    """Windows of the clips that the model is trained on."""

    window_seconds: float = option(1.5, "Window", "Length of audio behind one decision; it must contain the whole phrase. Higher fits longer phrases and takes more computation in training and on the device; lower is faster and cuts off long phrases.", unit="s", ge=0.5, le=5.0)
    word_margin_ms: int = option(50, "Margin after the word", "A positive window ends at least this long after the word. Higher makes the detector more reliable and slower to respond; lower makes it respond sooner.", unit="ms", ge=0, le=1000, advanced=True)
    positive_share: float = option(0.25, "Share of positives", "Fraction of an epoch's windows that contain the word; positives are repeated to reach it. Higher gives fewer misses and more false alarms; lower gives more misses and fewer false alarms.", ge=0.05, le=0.9)
    unfinished_share: float = option(0.1, "Share of partial words", "Fraction of an epoch's windows that contain only part of the word, as negatives. Higher makes the detector wait for the end of the word; 0 lets it fire on a part of it.", ge=0.0, le=0.5, advanced=True)
    background_share: float = option(0.05, "Share of background", "Fraction of an epoch's windows that contain only background noise, as negatives. Higher reduces false alarms in noise and leaves fewer windows for speech; 0 turns them off.", ge=0.0, le=0.5, advanced=True)
    hard_negative_share: float = option(0.0, "Share of hard negatives", "Fraction of an epoch's windows taken from clips labelled hard_negative, which are repeated to reach it. Higher separates similar phrases better and leaves fewer windows for other speech; 0 draws them as often as other negatives.", ge=0.0, le=0.5)
    stream_share: float = option(0.3, "Share of long recordings", "Fraction of the other negative windows that is taken from clips labelled stream, at random times. Higher shows the model more of such sound and leaves fewer windows for other words; 0 uses long recordings for mining only.", ge=0.0, le=0.9, advanced=True)
    mined_share: float = option(0.0, "Share of mined negatives", "Fraction of an epoch's windows taken from the negatives with the highest scores. Higher gives fewer false alarms and, in the end, more misses; 0 turns mining off.", ge=0.0, le=0.5)
    mining_epochs: int = option(5, "Mine every", "The hardest negatives are mined again after this many epochs. Lower follows the model more closely and takes longer, as every negative is scored each time.", unit="epochs", ge=1, le=1000, advanced=True)
    epoch_windows: int = option(0, "Windows per epoch", "Most windows in an epoch, drawn at random each time. Higher uses more clips before each validation; lower makes epochs shorter; 0 uses every training clip at least once.", ge=0, le=10_000_000, advanced=True)


class Features(Group):
    """Features of a window, the input of the model: rows over columns of time."""

    kind: Literal["log_mel", "mfcc", "pcen", "speech_embedding"] = option("log_mel", "Features", "log_mel: logarithm of the mel spectrogram. mfcc: a few cepstral coefficients, for the smallest models. pcen: mel bands with per-channel energy normalization, which suppresses steady noise. speech_embedding: from a public pretrained speech network (Apache-2.0); works with few positives and for openWakeWord; needs a window of 2 s.")
    mel_bands: int = option(40, "Mel bands", "Bands of the mel spectrogram, the rows of log_mel and pcen. Higher resolves finer detail and makes the model larger and slower; lower suits small devices.", ge=16, le=128)
    mfcc_coefficients: int = option(13, "MFCC coefficients", "Rows of mfcc; other features ignore it. Higher keeps finer spectral detail; lower keeps the broad shape and makes a smaller model.", ge=8, le=64, advanced=True)
    normalisation: Literal["mean", "window", "data_set", "none"] = option("mean", "Normalisation", "mean: subtracts the mean of each window, so that the level matters less (mfcc: of each coefficient). window: also scales the standard deviation to 1. data_set: normalizes each row by its mean and standard deviation over the training clips, which keeps the level. none: no normalization.", advanced=True)
    frame_ms: int = option(25, "Frame", "Length of audio behind one column of the spectrogram. Higher improves frequency resolution; lower improves time resolution.", unit="ms", ge=10, le=64, advanced=True)
    hop_ms: int = option(10, "Hop", "Step from one column to the next. Higher means fewer columns and less computation; lower is finer in time and slower.", unit="ms", ge=5, le=32, advanced=True)
    low_hz: int = option(60, "Lowest frequency", "Frequencies below are ignored. Higher removes rumble and hum; lower keeps all of a deep voice.", unit="Hz", ge=0, le=1000, advanced=True)
    high_hz: int = option(7600, "Highest frequency", "Frequencies above are ignored. Higher keeps the hiss of s and f; lower suits narrow-band microphones: use 3800 for telephone audio.", unit="Hz", ge=2000, le=8000, advanced=True)
    embedding_rounds: int = option(4, "Rounds of embeddings", "Speech embeddings are computed in advance for this many differently augmented epochs, which are then used in turn. Higher adds variety, takes longer to start and uses more disk space; other features ignore it.", ge=1, le=100, advanced=True)


class Augmentation(Group):
    """Random changes to a window each time it is drawn."""

    gain_probability: float = option(1.0, "Gain: probability", "Fraction of windows whose level is changed. Higher makes the detector robust to distances and microphones; lower keeps more windows as recorded; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    gain_db: float = option(10.0, "Gain", "Each window is made louder or quieter by up to this much. Higher makes the detector robust to distances and microphones; 0 keeps the recorded level.", unit="dB", ge=0.0, le=30.0)
    shift_ms: int = option(400, "Shift", "A positive window ends at a random time within this span after the margin. Higher keeps the score high for longer and trains more slowly; lower gives a short, sharp peak.", unit="ms", ge=0, le=1000)
    speed_probability: float = option(0.0, "Speed: probability", "Fraction of windows played faster or slower, which changes pitch and tempo together. Higher makes few speakers sound like more; 0 turns it off.", ge=0.0, le=1.0)
    speed_percent: float = option(10.0, "Speed: maximum change", "Speed changes by up to this much in either direction. Higher covers more voices and distorts the word more; a slowed word must still fit into the window.", unit="%", ge=0.0, le=30.0, advanced=True)
    background_probability: float = option(0.7, "Background: probability", "Fraction of windows with background noise mixed in. Higher makes the detector robust to noise; lower makes it more sensitive in quiet rooms; 0 turns it off.", ge=0.0, le=1.0)
    backgrounds_most: int = option(1, "Background: noises at once", "Up to this many equally loud noises form the background of one window. Higher gives denser noise from the same clips and reads more of them; 1 uses one at a time.", ge=1, le=8, advanced=True)
    snr_low_db: float = option(0.0, "Background: lowest SNR", "Signal-to-noise ratio of the loudest noise. Lower makes the detector robust to louder noise and is harder to learn; higher is easier.", unit="dB", ge=-10.0, le=60.0)
    snr_high_db: float = option(20.0, "Background: highest SNR", "Signal-to-noise ratio of the quietest noise. Higher keeps more windows nearly clean; lower makes all noise loud.", unit="dB", ge=-10.0, le=60.0)
    colour_probability: float = option(0.0, "Coloured noise: probability", "Fraction of windows with generated noise of a random colour, at the SNR of backgrounds. Higher makes up for few background clips; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    colour_slope_low: float = option(-2.0, "Coloured noise: lowest slope", "Lowest exponent of noise power over frequency: -2 rumbles, 0 is white. Lower allows deeper noise; higher keeps it brighter.", ge=-3.0, le=3.0, advanced=True)
    colour_slope_high: float = option(1.0, "Coloured noise: highest slope", "Highest exponent of noise power over frequency: 0 is white, 1 hisses. Higher allows sharper noise; lower keeps it deeper.", ge=-3.0, le=3.0, advanced=True)
    rir_probability: float = option(0.3, "Room: probability", "Fraction of windows convolved with a room impulse response. Higher makes the detector robust to reverberation; lower suits a close microphone; 0 turns it off.", ge=0.0, le=1.0)
    band_probability: float = option(0.0, "Band limits: probability", "Fraction of windows filtered like a telephone or a poor microphone. Higher makes the detector robust to them; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    band_low_hz: float = option(300.0, "Band limits: lower edge", "Frequencies below are removed; the edge varies by up to half an octave. Higher sounds thinner; lower keeps more of a deep voice.", unit="Hz", ge=20.0, le=1000.0, advanced=True)
    band_high_hz: float = option(3400.0, "Band limits: upper edge", "Frequencies above are removed; the edge varies by up to half an octave. Higher keeps more of s and f; lower sounds duller.", unit="Hz", ge=1500.0, le=8000.0, advanced=True)
    clip_probability: float = option(0.0, "Clipping: probability", "Fraction of windows whose peaks are clipped, as by an overdriven microphone. Higher makes the detector robust to shouting; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    clip_db: float = option(12.0, "Clipping: maximum", "Peaks are clipped up to this far below the highest. Higher distorts more; lower affects only the highest peaks.", unit="dB", ge=0.0, le=30.0, advanced=True)
    time_masks: int = option(1, "Time masks", "Stretches of time masked in the spectrogram (SpecAugment). Higher reduces overfitting and slows training; 0 turns them off.", ge=0, le=5, advanced=True)
    time_mask_ms: int = option(150, "Time mask: maximum length", "Longest masked stretch. Higher hides more of the word at once; lower hides less; 0 turns the masks off.", unit="ms", ge=0, le=1000, advanced=True)
    frequency_masks: int = option(1, "Frequency masks", "Frequency bands masked in the spectrogram (SpecAugment). Higher reduces overfitting and slows training; 0 turns them off.", ge=0, le=5, advanced=True)
    frequency_mask_bands: int = option(6, "Frequency mask: maximum width", "Most feature rows that one mask covers. Higher hides more of the spectrum at once; lower hides less; 0 turns the masks off.", ge=0, le=64, advanced=True)
    mixup_probability: float = option(0.0, "Mixup: probability", "Fraction of windows blended, with their labels, with another window of the batch. Higher makes scores less confident and reduces overfitting; 0 turns it off.", ge=0.0, le=1.0, advanced=True)
    mixup_alpha: float = option(0.2, "Mixup: strength", "Parameter of the beta distribution that blends are drawn from. Higher blends more evenly; lower leaves one of the two almost unchanged.", ge=0.01, le=10.0, advanced=True)


class Model(Group):
    """The network."""

    name: Literal["tc_resnet", "bc_resnet", "resnet18", "mobilenet_v3_small", "tcn", "lstm", "gru", "dense", "conv_attention", "mixednet"] = option("tc_resnet", "Model", "tc_resnet: fast and accurate, runs on small boards. bc_resnet: fewest parameters, slower to train. resnet18: large, for a GPU. mobilenet_v3_small: image network for phones, large but fast. tcn: small and causal. lstm: recurrent, reads frame by frame. gru: like lstm, with fewer parameters. dense: fully connected layers for speech embeddings. conv_attention: the more accurate head for speech embeddings. mixednet: small convolutions that a microcontroller computes step by step.")
    width: float = option(1.0, "Width", "Scales the channels of every layer. Higher learns finer differences and is larger and slower; lower is smaller and faster.", ge=0.25, le=8.0)
    dropout: float = option(0.1, "Dropout", "Fraction of hidden activations set to zero during training. Higher reduces overfitting; lower learns faster from large data sets.", ge=0.0, le=0.8, advanced=True)


class Loss(Group):
    """Weighted binary cross-entropy, the loss of training and validation."""

    positive_weight: float = option(1.0, "Weight of positives", "Weight of a missed word relative to a false alarm. Higher gives fewer misses and more false alarms; lower gives more misses and fewer false alarms.", ge=0.05, le=20.0)
    label_smoothing: float = option(0.05, "Label smoothing", "Keeps the model from becoming overconfident. Higher helps with imperfect labels and flattens the scores; 0 trusts every label.", ge=0.0, lt=0.5, advanced=True)


class Optimizer(Group):
    """Optimizer, learning rate and their schedule."""

    name: Literal["adamw", "sgd"] = option("adamw", "Optimizer", "adamw: adapts the step size of every weight; right for most trainings. sgd: one step size, with momentum; needs a learning rate about ten times as high.")
    learning_rate: float = option(2e-3, "Learning rate", "Highest step size. Higher learns faster until the loss diverges; lower is more stable and slower.", gt=0.0, le=1.0)
    schedule: Literal["cosine", "one_cycle", "plateau", "constant"] = option("cosine", "Schedule", "Learning rate over time. cosine: falls to zero along a cosine after the warm-up. one_cycle: rises over the first 30 % of the training, then falls to zero; replaces the warm-up. plateau: falls each time the validation loss stops improving. constant: does not change.")
    weight_decay: float = option(1e-2, "Weight decay", "Pulls weights towards zero. Higher reduces overfitting; lower lets the model fit finer detail.", ge=0.0, le=1.0, advanced=True)
    warmup_epochs: float = option(1.0, "Warm-up", "The learning rate rises from zero over this time, then follows its schedule. Higher is more stable at the start; 0 starts at the full rate.", unit="epochs", ge=0.0, le=100.0, advanced=True)
    plateau_factor: float = option(0.5, "Plateau: factor", "With plateau: the rate is multiplied by this factor each time. Higher reduces it slowly; lower reduces it quickly.", gt=0.0, lt=1.0, advanced=True)
    plateau_patience: int = option(3, "Plateau: patience", "With plateau: the rate falls after this many epochs without a lower validation loss. Higher keeps the rate for longer; lower reduces it sooner.", unit="epochs", ge=1, le=1000, advanced=True)
    momentum: float = option(0.9, "Momentum", "With sgd: fraction of the last step that is added to the next (Nesterov). Higher is smoother and overshoots more; 0 uses the gradient of each batch alone.", ge=0.0, lt=1.0, advanced=True)
    gradient_clip: float = option(5.0, "Gradient clip", "Largest norm of the gradient. Higher allows steep steps; lower makes every step small; 0 turns the limit off.", ge=0.0, le=1000.0, advanced=True)
    ema_decay: float = option(0.0, "Weight averaging", "Decay of the exponential moving average of the weights, which is what is validated and saved (less at the start). Higher averages over more steps: 0.99 about 100, 0.999 about 1,000; 0 uses the weights themselves.", ge=0.0, lt=1.0, advanced=True)


class Training(Group):
    """Length, device and evaluation of the training."""

    start_from: str = option("", "Start from", "The run whose best model the training starts from: its id, or `latest` for the newest run that has a model; `ID/epoch-00012` names another of its checkpoints. Empty starts from random weights. Model and features must be those of that run.", pattern=r"^(|latest|[0-9]{8}-[0-9]{6}-[0-9a-f]{4}(/epoch-[0-9]{5}(-batch-[0-9]{7})?)?)$")
    epochs: int = option(40, "Epochs", "Passes over the data. Higher trains longer, until early stopping ends a run that no longer improves; lower ends sooner.", ge=1, le=10_000)
    batch_size: int = option(64, "Batch size", "Windows per step. Higher uses a GPU better, needs more memory and takes fewer steps; lower takes more and noisier steps. On a CPU 32 to 128 works best.", ge=2, le=8192)
    accumulate: int = option(1, "Accumulate", "Batches whose gradients are summed for one step. Higher acts like a batch that many times as large in the memory of one; 1 steps after every batch.", unit="batches", ge=1, le=1024, advanced=True)
    patience: int = option(15, "Early stopping", "Stops the training when the best model has not improved for this many epochs. Higher waits longer for a better model; lower ends sooner; 0 never stops early.", unit="epochs", ge=0, le=10_000)
    best_by: Literal["robust_loss", "val_loss", "f1", "miss_rate"] = option("robust_loss", "Best model by", "Criterion of the best epoch. robust_loss: validation loss without the worst 5 % of each label, lower by at least 0.8 %, so that wrong labels do not decide. val_loss: validation loss of all windows. f1: F1 of the validation windows. miss_rate: misses in the validation stream at its false-accept rate; only epochs with a scored stream count. The validation loss breaks ties.")
    false_accepts_per_hour: float = option(1.0, "False accepts per hour", "False accepts per hour allowed in the validation stream, where the clips follow each other as on a device; the miss rate is measured at this rate. Higher allows more false alarms and gives fewer misses; it affects the training only if the best model is chosen by it.", unit="per hour", gt=0.0, le=1000.0, advanced=True)
    stream_epochs: int = option(5, "Score the stream every", "The validation stream is scored after this many epochs and after the last one. Lower follows the miss rate more closely and takes longer; 0 never scores it.", unit="epochs", ge=0, le=1000, advanced=True)
    checkpoint_minutes: float = option(5.0, "Checkpoint within an epoch", "A long epoch is saved this often, so that an interrupted run loses no more. Higher writes less often; lower loses less; 0 saves only after epochs. The result does not depend on it.", unit="min", ge=0.0, le=1440.0, advanced=True)
    seed: int = option(0, "Seed", "The same seed, data and machine give the same model. A higher or lower seed is not better; it draws other windows and initial weights.", ge=0, le=2**31 - 1, advanced=True)
    device: Literal["auto", "cpu", "cuda"] = option("auto", "Device", "auto: a GPU if there is one, else the CPU. cpu: the CPU. cuda: an NVIDIA GPU; the run does not start without one.")
    threads: int = option(0, "CPU threads", "Higher trains faster up to the number of cores; lower leaves cores free; 0 uses all cores. With 2 or more, one additional thread prepares the next batch during a step; with 1 the two take turns.", ge=0, le=256, advanced=True)
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option("auto", "Precision", "Number format during training. auto: bfloat16 on a GPU that supports it, else float32. float32: exact and, on GPUs, slower. bfloat16: half the memory, less precise. float16: for older GPUs, with scaled gradients.", advanced=True)
    compile: bool = option(False, "Compile the model", "Compiles the model with torch.compile. It takes minutes at the start, so it pays off for long trainings on a GPU; it needs a C++ compiler.", advanced=True)
    exact: bool = option(True, "Exact", "Uses only deterministic operations, so that the same seed gives the same model. Off may be faster on a GPU, where runs then differ.", advanced=True)


class Config(Group):
    """All options of a training; `preset` is the name of the preset it is based on, or empty."""

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
        """Check the rules between options; the message has a line `option: sentence` for each broken one."""
        if broken := list(broken_rules(self)):
            raise ValueError("\n".join(broken))
        return self


def feature_rows(features: Features) -> int:
    """Rows of the features of a window."""
    if features.kind == "speech_embedding":
        return EMBEDDING_NUMBERS
    return features.mfcc_coefficients if features.kind == "mfcc" else features.mel_bands


def broken_rules(config: Config) -> Iterator[str]:
    """Broken rules between options as `option: sentence`; NaN breaks none."""
    data, features, augmentation = config.data, config.features, config.augmentation
    shares = data.positive_share + data.unfinished_share + data.background_share + data.hard_negative_share + data.mined_share
    if shares > 0.95:
        yield f"data.positive_share: the shares of positives, partial words, background, hard and mined negatives add up to {shares:.2f}; leave at least 0.05 for other negatives."
    if features.kind == "mfcc" and features.mfcc_coefficients > features.mel_bands:
        yield f"features.mfcc_coefficients: {features.mfcc_coefficients} coefficients cannot be computed from {features.mel_bands} mel bands; use at most as many."
    yield from _broken_embedding_rules(config)
    if augmentation.snr_low_db > augmentation.snr_high_db:
        yield f"augmentation.snr_low_db: the lowest SNR ({augmentation.snr_low_db:g} dB) is above the highest ({augmentation.snr_high_db:g} dB); swap them."
    if augmentation.colour_slope_low > augmentation.colour_slope_high:
        yield f"augmentation.colour_slope_low: the lowest slope ({augmentation.colour_slope_low:g}) is above the highest ({augmentation.colour_slope_high:g}); swap them."
    if features.low_hz >= features.high_hz:
        yield f"features.low_hz: the lowest frequency ({features.low_hz} Hz) must be below the highest ({features.high_hz} Hz)."
    if features.hop_ms > features.frame_ms:
        yield f"features.hop_ms: a hop of {features.hop_ms} ms skips audio between frames of {features.frame_ms} ms; use at most the frame length."
    if augmentation.frequency_mask_bands >= feature_rows(features):
        yield f"augmentation.frequency_mask_bands: a mask of {augmentation.frequency_mask_bands} bands can cover all {feature_rows(features)} rows of the features; use fewer."
    if data.word_margin_ms + augmentation.shift_ms > 700 * data.window_seconds:
        yield f"augmentation.shift_ms: margin and shift ({data.word_margin_ms + augmentation.shift_ms} ms) leave too little of the {data.window_seconds:g} s window for the word; keep them under 70 % of it."
    if config.training.precision == "float16" and config.training.device == "cpu":
        yield "training.precision: float16 requires a GPU; use float32 or bfloat16 on a CPU."
    if config.training.best_by == "miss_rate" and not config.training.stream_epochs:
        yield "training.stream_epochs: the best model is chosen by the miss rate, which needs the validation stream; set 1 or more."
    if config.optimizer.warmup_epochs > config.training.epochs:
        yield f"optimizer.warmup_epochs: a warm-up of {config.optimizer.warmup_epochs:g} epochs is longer than the training of {config.training.epochs}."


def _broken_embedding_rules(config: Config) -> Iterator[str]:
    name, seconds = config.model.name, config.data.window_seconds
    if config.features.kind != "speech_embedding":
        return
    if name not in EMBEDDING_MODELS:
        yield f"model.name: {name} does not support the speech embedding; choose one of {', '.join(EMBEDDING_MODELS)}."
    if seconds != EMBEDDING_WINDOW_SECONDS:
        yield f"data.window_seconds: the speech embedding needs a window of {EMBEDDING_WINDOW_SECONDS:g} s, not {seconds:g} s; set {EMBEDDING_WINDOW_SECONDS:g}."
# fmt: on
