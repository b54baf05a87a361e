"""Augmentation, on the crops' own device. In: aligned crops uint8 [n, 128, 128, 3]. Out: views uint8 [n, 3, 112, 112].

Teacher and student see exactly the same view ("a good teacher is patient and consistent", Beyer et al., 2022). Every
effect is drawn per crop and computed only for the crops that drew it.
"""

import math

import torch
import torch.nn.functional as F

SIDE = 112


def augment(crops, generator, calm=0.0):
    """`calm` is the share of crops that are only mirrored and moved a little."""
    return Views(generator, calm)(crops)


class Views:
    def __init__(self, generator, calm):
        self.g, self.calm = generator, calm

    def uniform(self, n, low=0.0, high=1.0):
        return torch.rand(n, generator=self.g, device=self.g.device) * (high - low) + low

    def __call__(self, crops):
        x = crops.permute(0, 3, 1, 2).float()
        steps = ((0.08, self.masked), (None, self.moved), (0.5, self.lit), (0.15, self.grey), (0.12, self.blurred),
                 (0.2, self.shrunk), (0.15, self.quantised), (0.1, self.noisy), (0.08, self.occluded))
        stirred = self.uniform(len(x)) >= self.calm
        for share, effect in steps:
            if share is None:
                x = effect(x, stirred)
                continue
            i = torch.nonzero((self.uniform(len(x)) < share) & stirred).flatten()
            if len(i):
                x[i] = effect(x[i])
        return x.clamp_(0, 255).round_().to(torch.uint8)

    def masked(self, x):
        """A face mask: an ellipse around mouth and chin, cut off under the eyes, darker at its sides."""
        n, _, h, w = x.shape
        rows = torch.arange(h, device=x.device).view(1, h, 1)
        columns = torch.arange(w, device=x.device).view(1, 1, w) - w // 2
        top = self.uniform((n, 1, 1), 72, 86) + self.uniform((n, 1, 1), 0, 8) * (columns / 32.0) ** 2
        wide, tall = self.uniform((n, 1, 1), 34, 46), self.uniform((n, 1, 1), 34, 44)
        inside = ((columns / wide) ** 2 + ((rows - 92) / tall) ** 2 < 1) & (rows > top)
        shade = 255 - 60 * (columns.abs() / 46.0)
        return torch.where(inside[:, None], self.uniform((n, 3, 1, 1)) * shade[:, None], x)

    def moved(self, x, stirred):
        """Mirror, shift, turn, scale; six crops in ten only a little, as a detector's landmarks jitter."""
        n = len(x)
        strong = torch.where((self.uniform(n) < 0.4) & stirred, 1.0, 0.25)
        angle = self.uniform(n, -0.35, 0.35) * strong
        scale = (1 + self.uniform(n, -0.12, 0.12) * strong) * SIDE / x.shape[-1]
        dx, dy = self.uniform(n, -0.08, 0.08) * strong, self.uniform(n, -0.08, 0.08) * strong
        flip = torch.where(self.uniform(n) < 0.5, -1.0, 1.0)
        c, s = torch.cos(angle) * scale, torch.sin(angle) * scale
        theta = torch.stack([torch.stack([c * flip, -s, dx], 1), torch.stack([s * flip, c, dy], 1)], 1)
        grid = F.affine_grid(theta, (n, 3, SIDE, SIDE), align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def lit(self, x):
        """Contrast, colour cast, brightness and gamma."""
        n = len(x)
        gain = self.uniform((n, 1, 1, 1), 0.65, 1.35) * self.uniform((n, 3, 1, 1), 0.88, 1.12)
        x = (x - 128) * gain + 128 + self.uniform((n, 1, 1, 1), -30, 30)
        return 255 * (x.clamp(0, 255) / 255 + 1e-4) ** torch.exp(self.uniform((n, 1, 1, 1), -0.35, 0.35))

    def grey(self, x):
        return x.mean(1, keepdim=True).expand_as(x)

    def blurred(self, x):
        """Gaussian, a width per crop."""
        n = len(x)
        at = torch.arange(-4, 5, device=x.device)
        kernel = torch.exp(-(at**2) / (2 * self.uniform((n, 1), 0.5, 2.2) ** 2))
        kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
        y = F.pad(x.reshape(1, 3 * n, SIDE, SIDE), (4, 4, 4, 4), mode="replicate")
        y = F.conv2d(F.conv2d(y, kernel.view(-1, 1, 1, 9), groups=3 * n), kernel.view(-1, 1, 9, 1), groups=3 * n)
        return y.view_as(x)

    def shrunk(self, x):
        """A small face, enlarged again; one size per eighth of the crops, because resizing is per batch."""
        parts = []
        for part in x.chunk(8):
            side = int(self.uniform(1, 24, 96).item())
            small = F.interpolate(part, (side, side), mode="bilinear", antialias=True, align_corners=False)
            parts.append(F.interpolate(small, (SIDE, SIDE), mode="bilinear", align_corners=False))
        return torch.cat(parts)

    def quantised(self, x):
        """JPEG-like: 8x8 cosine blocks, coarser steps for higher frequencies."""
        n = len(x)
        k = torch.arange(8, device=x.device, dtype=torch.float32)
        basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
        basis[0] /= math.sqrt(2)
        blocks = x.reshape(n, 3, 14, 8, 14, 8).transpose(3, 4)
        step = (4 + 5 * (k[:, None] + k[None])) * self.uniform((n, 1, 1, 1, 1, 1), 0.3, 4)
        spectrum = torch.round(basis @ (blocks - 128) @ basis.T / step) * step
        return (basis.T @ spectrum @ basis + 128).transpose(3, 4).reshape(n, 3, SIDE, SIDE)

    def noisy(self, x):
        return x + torch.randn(x.shape, generator=self.g, device=x.device) * self.uniform((len(x), 1, 1, 1), 1, 10)

    def occluded(self, x):
        """A flat rectangle of up to half the side."""
        n = len(x)
        at = torch.arange(SIDE, device=x.device)
        w, h = self.uniform((n, 1), 12, 56), self.uniform((n, 1), 12, 56)
        left, top = self.uniform((n, 1), -10, SIDE - 12), self.uniform((n, 1), -10, SIDE - 12)
        inside = ((at >= top) & (at < top + h))[:, :, None] & ((at >= left) & (at < left + w))[:, None, :]
        return torch.where(inside[:, None], self.uniform((n, 3, 1, 1)) * 255, x)
