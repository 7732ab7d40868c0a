"""Scoring a model on the fixed windows of the validation split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config.schema import Config
from trainer.engine.data.batches import Feed, plain_batches
from trainer.engine.data.windows import Windows
from trainer.engine.training import objective
from trainer.evaluation import clip_rates

BATCH = 256


@torch.inference_mode()
def score(model: nn.Module, feed: Feed, windows: Windows, beat: Callable[[], None]) -> Tensor:
    """Logits float32 [n] of the windows, on the CPU; `beat` is called after every batch."""
    model.eval()
    logits = []
    for features in plain_batches(feed, windows, BATCH):
        logits.append(model(features).float().cpu())
        beat()
    return torch.cat(logits)


def validate(logit: Tensor, windows: Windows, config: Config) -> dict[str, Any]:
    """Loss, robust loss, accuracy, FPR, FNR, F1 (threshold 0.5) and the counts behind them, by the logits [n]."""
    positive = torch.from_numpy(windows.positive).float()
    weight = objective.validation_weights(positive, config)
    loss = objective.cross_entropy(logit, positive, weight, config.loss.label_smoothing)
    robust = objective.trimmed(logit, positive, config)
    rates = clip_rates.rates(windows.positive, logit.sigmoid().numpy())
    values = {"val_loss": loss.item(), "robust_loss": robust.item()}
    return {
        **values,
        "val_accuracy": rates.accuracy,
        "fpr": rates.fpr,
        "fnr": rates.fnr,
        "f1": rates.f1,
        **asdict(rates),
    }
