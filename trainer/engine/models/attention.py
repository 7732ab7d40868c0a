"""Self-attention over the frames of a window."""

from __future__ import annotations

from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Every frame of [n, frames, channels] takes from all others what suits it.

    Vaswani et al., "Attention Is All You Need" (NeurIPS 2017), section 3.2.2. Positions are not told: the convolutions
    around it know them.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.enter = nn.Linear(channels, 3 * channels)
        self.leave = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        count, frames, channels = x.shape
        split = self.enter(x).reshape(count, frames, 3, self.heads, channels // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()
        heard = nn.functional.scaled_dot_product_attention(query, key, value)
        left: Tensor = self.leave(heard.transpose(1, 2).reshape(count, frames, channels))
        return left
