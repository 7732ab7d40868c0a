"""Scoring a model on the fixed windows of the validation split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from trainer import scores
from trainer.engine import objective
from trainer.engine.batches import Feed, plain_batches
from trainer.engine.windows import Windows

BATCH = 256


@torch.inference_mode()
def validate(model: nn.Module, feed: Feed, windows: Windows, beat: Callable[[], None]) -> dict[str, Any]:
    """Loss, accuracy, FPR, FNR, F1 (threshold 0.5) and the counts behind them; `beat` is called after every batch."""
    model.eval()
    logits = []
    for features in plain_batches(feed, windows, BATCH):
        logits.append(model(features).float().cpu())
        beat()
    logit, positive = torch.cat(logits), torch.from_numpy(windows.positive).float()
    weight = objective.validation_weights(positive, feed.config)
    loss = objective.cross_entropy(logit, positive, weight, feed.config.loss.label_smoothing)
    rates = scores.rates(windows.positive, logit.sigmoid().numpy())
    named = {"val_loss": loss.item(), "val_accuracy": rates.accuracy, "fpr": rates.fpr, "fnr": rates.fnr}
    return {**named, "f1": rates.f1, **asdict(rates)}
