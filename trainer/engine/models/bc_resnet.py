"""BC-ResNet: broadcasted residual learning, two-dimensional over frequency and one-dimensional over time."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.config.architectures import (
    BC_FIRST_CHANNELS,
    BC_FIRST_KERNEL,
    BC_LAST_CHANNELS,
    BC_LAST_KERNEL,
    BC_STAGES,
    scaled,
    sub_bands,
)


class SubSpectralNorm(nn.Module):
    """Batch normalisation of up to five bands of frequency on their own. [n, channels, frequency, frames].

    Chang et al., "SubSpectral Normalization for Neural Audio Data Processing" (ICASSP 2021).
    """

    def __init__(self, channels: int, height: int) -> None:
        super().__init__()
        self.bands = sub_bands(height)
        self.norm = nn.BatchNorm2d(channels * self.bands)

    def forward(self, x: Tensor) -> Tensor:
        count, channels, height, frames = x.shape
        split = x.reshape(count, channels * self.bands, height // self.bands, frames)
        normalised: Tensor = self.norm(split)
        return normalised.reshape(count, channels, height, frames)


class BroadcastBlock(nn.Module):
    """A frequency-wise convolution plus a time-wise one whose result is broadcast over all frequencies."""

    def __init__(self, inputs: int, outputs: int, height: int, stride: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.keeps = inputs == outputs and stride == 1
        self.enter = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
        )
        self.frequency = nn.Sequential(
            nn.Conv2d(outputs, outputs, (3, 1), (stride, 1), (1, 0), groups=outputs, bias=False),
            SubSpectralNorm(outputs, (height - 1) // stride + 1),
        )
        self.time = nn.Sequential(
            nn.Conv2d(outputs, outputs, (1, 3), 1, (0, dilation), (1, dilation), groups=outputs, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 1, bias=False),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        two_dimensional = self.frequency(self.enter(x))
        total = two_dimensional + self.time(two_dimensional.mean(2, keepdim=True))
        return nn.functional.relu(total + x if self.keeps else total)


class BcResNet(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    Kim et al., "Broadcasted Residual Learning for Efficient Keyword Spotting" (Interspeech 2021); `width` is the
    paper's tau. One logit instead of twelve classes.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        channels, height = scaled(BC_FIRST_CHANNELS, width, 4), (bands - 1) // 2 + 1
        self.first = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Conv2d(1, channels, BC_FIRST_KERNEL, (2, 1), BC_FIRST_KERNEL // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        blocks: list[nn.Module] = []
        for size, count, stride, dilation in BC_STAGES:
            outputs = scaled(size, width, 4)
            for index in range(count):
                step = stride if index == 0 else 1
                blocks.append(BroadcastBlock(channels, outputs, height, step, dilation, dropout))
                channels, height = outputs, (height - 1) // step + 1
        self.blocks = nn.Sequential(*blocks)
        last = scaled(BC_LAST_CHANNELS, width, 4)
        self.squeeze = nn.Sequential(
            nn.Conv2d(
                channels,
                channels,
                (height, BC_LAST_KERNEL),
                padding=(0, BC_LAST_KERNEL // 2),
                groups=channels,
                bias=False,
            ),
            nn.Conv2d(channels, last, 1, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(),
        )
        self.head = nn.Conv2d(last, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.squeeze(self.blocks(self.first(features[:, None])))
        logit: Tensor = self.head(x.mean((2, 3), keepdim=True))
        return logit.flatten()
