"""ResNet18 on the spectrogram as a picture of one channel."""

from __future__ import annotations

from torch import Tensor, nn

from trainer.config.architectures import RESNET_CHANNELS, RESNET_FIRST_KERNEL, RESNET_STRIDES, scaled


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut. [n, channels, bands, frames]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.shortcut(x))


class ResNet18(nn.Module):
    """Log-mel [n, bands, frames] to logit [n].

    He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), table 1, 18 layers; `width` scales all
    channels. One input channel, one logit.
    """

    def __init__(self, bands: int, width: float, dropout: float) -> None:
        super().__init__()
        sizes = [scaled(channels, width, 8) for channels in RESNET_CHANNELS]
        self.first = nn.Sequential(
            nn.BatchNorm2d(1),
            nn.Conv2d(1, sizes[0], RESNET_FIRST_KERNEL, 2, RESNET_FIRST_KERNEL // 2, bias=False),
            nn.BatchNorm2d(sizes[0]),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        pairs = zip([sizes[0], *sizes[:-1]], sizes, RESNET_STRIDES, strict=True)
        blocks = [block for a, b, stride in pairs for block in (BasicBlock(a, b, stride), BasicBlock(b, b, 1))]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(sizes[-1], 1))

    def forward(self, features: Tensor) -> Tensor:
        x: Tensor = self.blocks(self.first(features[:, None]))
        logit: Tensor = self.head(x.mean((2, 3)))
        return logit[:, 0]
