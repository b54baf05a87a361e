"""The embedder. In: crops [n, 3, 112, 112], RGB 0..255. Out: [n, 128], not normalised.

A narrow plain residual network: on a CPU dense 3x3 layers run near peak, depthwise ones do not. Its last map is widened
to 512 channels before the global depthwise convolution, as MobileFaceNet (Chen et al., 2018) does.
"""

import torch.nn as nn


class ConvBlock(nn.Sequential):
    """Convolution, batch-norm and, unless told otherwise, PReLU."""

    def __init__(self, n_in, n_out, kernel=3, stride=1, act=True, groups=1, pad=None):
        pad = kernel // 2 if pad is None else pad
        layers = [nn.Conv2d(n_in, n_out, kernel, stride, pad, bias=False, groups=groups), nn.BatchNorm2d(n_out)]
        super().__init__(*layers, *([nn.PReLU(n_out)] if act else []))


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a, self.b, self.act = ConvBlock(n, n), ConvBlock(n, n, act=False), nn.PReLU(n)

    def forward(self, x):
        return self.act(x + self.b(self.a(x)))


# `small` suits a CPU run; `w64`, for a GPU, ships: 1.68 M parameters, 254 million multiply-adds.
CONFIGS = {
    "small": {},
    "w64": {"widths": (32, 64, 96, 128), "depths": (1, 4, 2)},
}
WIDE = 512


class Embedder(nn.Module):
    def __init__(self, widths=(16, 48, 96, 128), depths=(1, 1, 1), dimensions=128):
        super().__init__()
        self.stem = ConvBlock(3, widths[0], 3, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(ConvBlock(before, after, 3, 2), *(Residual(after) for _ in range(depth)))
            for before, after, depth in zip(widths, widths[1:], depths)
        )
        self.widen = ConvBlock(widths[-1], WIDE, 1)
        self.gdc = ConvBlock(WIDE, WIDE, 7, act=False, groups=WIDE, pad=0)
        self.fc = nn.Linear(WIDE, dimensions, bias=False)
        self.bn = nn.BatchNorm1d(dimensions)
        self.widths = widths

    def stages_of(self, x):
        """What each stage gives (28x28, 14x14, 7x7) and the widened 7x7 map."""
        x = self.stem((x - 127.5) / 128)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return [*found, self.widen(x)]

    def through(self, x):
        """The embedding and what the stages saw."""
        found = self.stages_of(x)
        return self.bn(self.fc(self.gdc(found[-1]).flatten(1)).float()), found

    def forward(self, x):
        return self.through(x)[0]
