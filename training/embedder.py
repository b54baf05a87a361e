"""The embedder. In: crops [n, 3, 112, 112], RGB 0..255. Out: [n, 128], not normalised.

A narrow plain residual network: on a CPU dense 3x3 layers run near peak, depthwise ones do not. 0.89 M parameters,
109 million multiply-adds.
"""

import torch.nn as nn


class ConvBlock(nn.Sequential):
    """Convolution, batch-norm and, unless told otherwise, PReLU."""

    def __init__(self, n_in, n_out, kernel=3, stride=1, act=True, groups=1):
        layers = [nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False, groups=groups), nn.BatchNorm2d(n_out)]
        super().__init__(*layers, *([nn.PReLU(n_out)] if act else []))


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a, self.b, self.act = ConvBlock(n, n), ConvBlock(n, n, act=False), nn.PReLU(n)

    def forward(self, x):
        return self.act(x + self.b(self.a(x)))


# `small` suits a CPU run; `base` fills the budget of 1.1 M parameters and 225 million multiply-adds, for a GPU.
CONFIGS = {
    "small": {},
    "base": {"widths": (20, 64, 96, 136), "depths": (2, 2, 1)},
}


class Embedder(nn.Module):
    def __init__(self, widths=(16, 48, 96, 160), depths=(1, 1, 1), dimensions=128):
        super().__init__()
        body = [ConvBlock(3, widths[0], 3, 2)]
        for before, after, depth in zip(widths, widths[1:], depths):
            body += [ConvBlock(before, after, 3, 2), *(Residual(after) for _ in range(depth))]
        self.body = nn.Sequential(*body)
        last = widths[-1]
        self.gdc = nn.Sequential(nn.Conv2d(last, last, 7, groups=last, bias=False), nn.BatchNorm2d(last))
        self.fc = nn.Linear(last, dimensions, bias=False)
        self.bn = nn.BatchNorm1d(dimensions)

    def forward(self, x):
        x = self.gdc(self.body((x - 127.5) / 128)).flatten(1)
        return self.bn(self.fc(x).float())
