"""The detector. In: photos [n, 3, h, w], BGR 0..255, sides multiples of 32. Out: per stride 8/16/32 a map of 16 channels:
class and object logits, box (centre offset, log size) and five landmarks, all in cells, as YuNet has them.

Dense 3x3 layers instead of YuNet's depthwise ones, a feature pyramid, one head shared by all strides. 116 k parameters,
148 million multiply-adds at 320x320.
"""

import torch.nn as nn
import torch.nn.functional as F


def conv_block(n_in, n_out, kernel=3, stride=1):
    conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a = conv_block(n, n)
        self.b = nn.Sequential(nn.Conv2d(n, n, 1, bias=False), nn.BatchNorm2d(n))

    def forward(self, x):
        return F.relu(x + self.b(self.a(x)))


class Wide(nn.Module):
    """A residual of a 5x5 depthwise and a 1x1 layer: at stride 32 it sees 128 pixels further for 2.8 k parameters."""

    def __init__(self, n):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(n, n, 5, 1, 2, bias=False, groups=n), nn.BatchNorm2d(n), nn.ReLU(inplace=True))
        self.b = nn.Sequential(nn.Conv2d(n, n, 1, bias=False), nn.BatchNorm2d(n))
        nn.init.zeros_(self.b[1].weight)

    def forward(self, x):
        return F.relu(x + self.b(self.a(x)))


class Detector(nn.Module):
    def __init__(self, widths=(12, 24, 40)):
        super().__init__()
        first, second, n = widths
        self.c1 = conv_block(3, first, 3, 2)
        self.c2 = nn.Sequential(conv_block(first, second, 3, 2), conv_block(second, second))
        self.c3 = nn.Sequential(conv_block(second, n, 3, 2), Residual(n))
        self.c4 = nn.Sequential(conv_block(n, n, 3, 2), Residual(n))
        self.c5 = nn.Sequential(conv_block(n, n, 3, 2), Residual(n), Wide(n))
        self.l5, self.l4, self.l3 = conv_block(n, n, 1), conv_block(n, n, 1), conv_block(n, n, 1)
        self.head = nn.ModuleList([conv_block(n, n)])
        self.out = nn.ModuleList([nn.Conv2d(n, 16, 1) for _ in range(3)])
        for out in self.out:
            nn.init.normal_(out.weight, std=0.01)
            nn.init.zeros_(out.bias)
            # Faces are rare, and a box is some cells wide: starting there saves the first hundreds of steps.
            out.bias.data[0:2] = -3.0
            out.bias.data[4:6] = 1.0

    def forward(self, x):
        x = self.c2(self.c1((x - 127.5) / 64))
        p3 = self.c3(x)
        p4 = self.c4(p3)
        f5 = self.l5(self.c5(p4))
        f4 = self.l4(p4) + F.interpolate(f5, scale_factor=2.0, mode="nearest")
        f3 = self.l3(p3) + F.interpolate(f4, scale_factor=2.0, mode="nearest")
        maps = []
        for feature, out in zip((f3, f4, f5), self.out):
            for head in self.head:
                feature = head(feature)
            maps.append(out(feature))
        return maps
