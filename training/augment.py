"""Augmentation, on the crops' own device. In: aligned crops uint8 [n, 128, 128, 3] in random order. Out: the student's
views and the teacher's, uint8 [n, 3, 112, 112].

Both see the same view ("a good teacher is patient and consistent", Beyer et al., 2022), but for a stated share the teacher
sees the picture before it was degraded or covered, so that the student learns to see through low resolution, blur, JPEG,
masks and bars. A share of the crops are blends of two people, which are people of their own to the teacher (mixup, Zhang et
al., 2018; CutMix, Yun et al., 2019): more identities than were photographed. Each effect takes a fixed share of the batch,
chosen by a random permutation, so that no size depends on a drawn number and a GPU never waits for the CPU.
"""

import math

import torch
import torch.nn.functional as F

SIDE = 112


# Effects on a view after it was moved, each with the share of the views that get it.
DEGRADED = (
    (0.5, "lit"), (0.15, "grey"), (0.12, "blurred"), (0.22, "shrunk"), (0.15, "quantised"), (0.1, "noisy"),
    (0.08, "occluded"),
)
MASKED, STRONGLY_MOVED = 0.10, 0.45


def augment(crops, generator, calm=0.0, blended=0.0, clean=0.0):
    """Views for the student and for the teacher.

    `calm` is the share of crops that are only mirrored and moved a little, `blended` that of crops mixed with another,
    `clean` the share of the others for which the teacher sees the picture before it was degraded.
    """
    return Views(generator, calm, blended, clean)(crops)


class Views:
    def __init__(self, generator, calm, blended, clean):
        self.g, self.calm, self.blended, self.clean = generator, calm, blended, clean
        self.sizes = generator if generator.device.type == "cpu" else torch.default_generator

    def uniform(self, n, low=0.0, high=1.0):
        return torch.rand(n, generator=self.g, device=self.g.device) * (high - low) + low

    def some(self, n, share):
        """Rows of a share of the first `n`, none if the share is 0."""
        count = max(1, round(n * share)) if n and share else 0
        return torch.randperm(n, generator=self.g, device=self.g.device)[:count]

    def __call__(self, crops):
        n = len(crops)
        x = self.blend(crops.permute(0, 3, 1, 2).float())
        # The crops come in random order, so the first rows are as good as any.
        stirred = round(n * (1 - self.calm))
        grid = self.grid(n, stirred)
        moved = sampled(x, grid)
        y = moved.clone()
        i = self.some(stirred, MASKED)
        y[i] = sampled(self.masked(x[i]), grid[i])
        for share, effect in DEGRADED:
            i = self.some(stirred, share)
            if len(i):
                y[i] = getattr(self, effect)(y[i])
        y = as_bytes(y)
        seen_by_teacher = y.clone()
        i = self.some(stirred, self.clean)
        seen_by_teacher[i] = as_bytes(moved[i])
        return y, seen_by_teacher

    def blend(self, x):
        """Mixes a share of the crops with another, mirrored or not: as a whole by a weight, or one soft half of each."""
        i = self.some(len(x), self.blended)
        n = len(i)
        if not n:
            return x
        other = x[torch.randint(0, len(x), (n,), generator=self.g, device=self.g.device)]
        other = torch.where(self.uniform((n, 1, 1, 1)) < 0.5, other.flip(3), other)
        at = torch.linspace(-1, 1, x.shape[-1], device=x.device)
        angle, offset = self.uniform((n, 1, 1), 0, 2 * math.pi), self.uniform((n, 1, 1), -0.35, 0.35)
        side = torch.cos(angle) * at[None, None, :] + torch.sin(angle) * at[None, :, None] - offset
        part = torch.sigmoid(side * self.uniform((n, 1, 1), 4, 14))[:, None]
        whole = self.uniform((n, 1, 1, 1), 0.25, 0.75).expand_as(part)
        weight = torch.where(self.uniform((n, 1, 1, 1)) < 0.5, whole, part)
        mixed = x.clone()
        mixed[i] = x[i] * weight + other * (1 - weight)
        return mixed

    def grid(self, n, stirred):
        """Mirror, shift, turn, scale and stretch; most crops only a little, as a detector's landmarks jitter."""
        strong = torch.full((n,), 0.25, device=self.g.device)
        strong[: round(stirred * STRONGLY_MOVED)] = 1.0
        angle = self.uniform(n, -0.35, 0.35) * strong
        scale = (1 + self.uniform(n, -0.12, 0.12) * strong) * SIDE / 128
        stretch = 1 + self.uniform(n, -0.06, 0.06) * strong
        dx, dy = self.uniform(n, -0.08, 0.08) * strong, self.uniform(n, -0.08, 0.08) * strong
        flip = torch.where(self.uniform(n) < 0.5, -1.0, 1.0)
        c, s = torch.cos(angle) * scale, torch.sin(angle) * scale
        theta = torch.stack([torch.stack([c * flip * stretch, -s, dx], 1), torch.stack([s * flip * stretch, c, dy], 1)], 1)
        return F.affine_grid(theta, (n, 3, SIDE, SIDE), align_corners=False)

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

    def lit(self, x):
        """Contrast, colour cast, brightness and gamma."""
        n = len(x)
        gain = self.uniform((n, 1, 1, 1), 0.6, 1.4) * self.uniform((n, 3, 1, 1), 0.86, 1.14)
        x = (x - 128) * gain + 128 + self.uniform((n, 1, 1, 1), -35, 35)
        return 255 * (x.clamp(0, 255) / 255 + 1e-4) ** torch.exp(self.uniform((n, 1, 1, 1), -0.4, 0.4))

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
            # Drawn on the CPU: a size that came from the GPU would have to be waited for.
            side = int(torch.randint(22, 97, (), generator=self.sizes))
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


def sampled(x, grid):
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def as_bytes(x):
    return x.clamp(0, 255).round().to(torch.uint8)
