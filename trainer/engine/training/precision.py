"""In which numbers a model computes, and whether it does so the same each time."""

from __future__ import annotations

import os

import torch
import torch.utils.deterministic
from torch.amp.grad_scaler import GradScaler

from trainer.config import schema

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_dtype(options: schema.Training, device: torch.device) -> torch.dtype:
    """The numbers that the forward pass computes in. Raises ValueError for float16 without a GPU."""
    on_gpu = device.type == "cuda"
    if options.precision == "auto":
        return torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if options.precision == "float16" and not on_gpu:
        raise ValueError("training.precision is float16, but no GPU was found. Choose auto, float32 or bfloat16.")
    return DTYPES[options.precision]


def make_scaler(dtype: torch.dtype, device: torch.device) -> GradScaler:
    """Scales losses so that float16 gradients do not vanish (Micikevicius et al. 2018); for others it does nothing."""
    return GradScaler(device.type, enabled=dtype == torch.float16)


def set_exact(exact: bool) -> None:
    """Take only operations with one result; where a GPU has none for one, torch raises RuntimeError and names it.

    Must be called before the first product of matrices on a GPU: cuBLAS reads its setting then.
    """
    if exact:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(exact)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # only costs time
    torch.backends.cudnn.deterministic = exact
    torch.backends.cudnn.benchmark = not exact
