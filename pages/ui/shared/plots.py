"""What is plotted of a training: which numbers of an epoch stand in which chart, in which colours and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BLUE, ORANGE, RED, GREEN, PURPLE, GREY = "#2f7ed8", "#f28e2b", "#d9363e", "#2e9e4f", "#8a63d2", "#7a8594"


@dataclass(frozen=True)
class Plot:
    """One chart: its lines as {number of an epoch: (name, colour)}, and its axis; `timed` numbers are measured of
    time and machine."""

    key: str
    title: str
    axis: str
    lines: Mapping[str, tuple[str, str]]
    scale: float = 1.0
    top: float | None = None
    number: str = ".4f"
    may_be_log: bool = False
    timed: bool = False


PLOTS = (
    Plot(
        "loss", "Loss", "loss", {"train_loss": ("Training", BLUE), "val_loss": ("Validation", ORANGE)},
        may_be_log=True,
    ),
    Plot(
        "accuracy", "Accuracy", "accuracy per window (%)",
        {"train_accuracy": ("Training", BLUE), "val_accuracy": ("Validation", ORANGE)}, 100, 105, ".2f",
    ),
    Plot(
        "rates", "Validation rates", "rate per window (%)",
        {"fpr": ("FPR", RED), "fnr": ("FNR", ORANGE), "f1": ("F1", GREEN)}, 100, 105, ".2f",
    ),
    Plot(
        "stream", "Misses in the validation stream", "miss rate (%)", {"miss_rate": ("Miss rate", RED)}, 100, 105, ".2f"
    ),
    Plot("speed", "Speed", "clips/s", {"clips_per_second": ("Speed", GREY)}, number=",.0f", timed=True),
    Plot("learning_rate", "Learning rate", "learning rate", {"learning_rate": ("Learning rate", PURPLE)}, number=".3g"),
    Plot(
        "load", "Load", "load (%)", {"cpu_percent": ("CPU", BLUE), "gpu_percent": ("GPU", GREEN)}, top=105,
        number=".0f", timed=True,
    ),
    Plot(
        "memory", "Memory", "memory (GB)",
        {
            "process_memory": ("Training process", BLUE), "memory_used": ("All programs", GREY),
            "gpu_memory_used": ("GPU", GREEN),
        },
        1e-9, number=".2f", timed=True,
    ),
)  # fmt: skip
MEASURED = ("step", *dict.fromkeys(name for plot in PLOTS if not plot.timed for name in plot.lines))
TIMED = ("elapsed_seconds", *dict.fromkeys(name for plot in PLOTS if plot.timed for name in plot.lines))
