"""The landmark network. In: round crops [n, 3, 64, 64], RGB 0..255, 127.5 outside the circle.
Out: [n, 12]: five points x, y in half sides from the crop's middle, the logit of its being a
face, and the logarithm of the points' expected error in eye distances.

It knows nothing of where up is: a face at any roll gives its points, image-left eye of the
upright face first. 143 k parameters, 5.3 million multiply-adds.
"""

import torch
import torch.nn as nn

SIDE = 64


def conv_block(n_in, n_out, stride=1):
    conv = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.PReLU(n_out))


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a = conv_block(n, n)
        self.b = nn.Sequential(nn.Conv2d(n, n, 3, 1, 1, bias=False), nn.BatchNorm2d(n))
        self.act = nn.PReLU(n)

    def forward(self, x):
        return self.act(x + self.b(self.a(x)))


class Landmarks(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            conv_block(3, 16, 2),
            conv_block(16, 24, 2),
            conv_block(24, 40, 2),
            Residual(40),
            conv_block(40, 64, 2),
            Residual(64),
        )
        # Each channel asks in two ways where in the crop it was seen.
        conv = nn.Conv2d(64, 128, 4, groups=64, bias=False)
        self.where = nn.Sequential(conv, nn.BatchNorm2d(128), nn.PReLU(128))
        self.out = nn.Linear(128, 12)
        nn.init.zeros_(self.out.weight[10:])
        nn.init.zeros_(self.out.bias[10:])

    def features(self, x):
        return self.where(self.body((x - 127.5) / 64)).flatten(1)

    def forward(self, x):
        return self.out(self.features(x))


class Boxes(nn.Sequential):
    """The features → where the box of the face stands: its middle in half sides of the crop from the
    crop's middle, the logarithms of half its width and half its height in half sides. 4 k parameters."""

    def __init__(self):
        super().__init__(nn.Linear(128, 32), nn.PReLU(32), nn.Linear(32, 4))


def circle():
    """What of a crop is seen: 1 within the circle that touches its sides, else 0."""
    at = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    return ((at[None] ** 2 + at[:, None] ** 2) <= 1).float()
