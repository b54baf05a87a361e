"""Augmentation. In: aligned crops uint8 [n, 128, 128, 3]. Out: views uint8 [n, 3, 112, 112].

Teacher and student see exactly the same view ("a good teacher is patient and consistent", Beyer et al., 2022).
"""

import torch
import torch.nn.functional as F


def uniform(n, g):
    return torch.rand(n, generator=g)


def signed(n, g):
    return torch.rand(n, generator=g) * 2 - 1


def augment(x, g):
    n = len(x)
    x = x.permute(0, 3, 1, 2).float()
    strong = (uniform(n, g) < 0.4).float()
    ang = (signed(n, g) * 0.30) * strong * uniform(n, g)
    sc = 1 + signed(n, g) * 0.10 * strong
    tx = signed(n, g) * (0.02 + 0.06 * strong)
    ty = signed(n, g) * (0.02 + 0.06 * strong)
    flip = torch.where(uniform(n, g) < 0.5, -1.0, 1.0)
    k = 112 / 128
    co, si = torch.cos(ang) * sc * k, torch.sin(ang) * sc * k
    th = torch.stack([torch.stack([co * flip, -si, tx], 1), torch.stack([si * flip, co, ty], 1)], 1)
    x = F.grid_sample(
        x,
        F.affine_grid(th, (n, 3, 112, 112), align_corners=False),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    # Some views lose resolution: half of a group of 64, one factor each group.
    for i in range(0, n, 64):
        if torch.rand(1, generator=g) < 0.22:
            s = int(torch.randint(24, 96, (1,), generator=g))
            m = slice(i, i + 32)
            x[m] = F.interpolate(
                F.interpolate(x[m], (s, s), mode="bilinear", antialias=True, align_corners=False),
                (112, 112),
                mode="bilinear",
                align_corners=False,
            )
    gr = (uniform(n, g) < 0.12)[:, None, None, None]
    x = torch.where(gr, x.mean(1, keepdim=True).expand_as(x), x)
    gain = (1 + signed(n, g) * 0.35 * strong)[:, None, None, None] * (
        1 + torch.randn(n, 3, 1, 1, generator=g) * 0.06 * strong[:, None, None, None]
    )
    bias = (signed(n, g) * 30 * strong)[:, None, None, None]
    x = (x - 128) * gain + 128 + bias
    gam = torch.exp(signed(n, g) * 0.35 * strong)[:, None, None, None]
    x = 255 * (x.clamp(0, 255) / 255 + 1e-4).pow(gam)
    x = x + torch.randn(x.shape, generator=g) * (uniform(n, g) * 8 * (uniform(n, g) < 0.25))[:, None, None, None]
    occ = torch.nonzero(uniform(n, g) < 0.08).flatten().tolist()
    for i in occ:
        w, h = torch.randint(12, 56, (2,), generator=g).tolist()
        a, b = torch.randint(0, 112 - 12, (2,), generator=g).tolist()
        x[i, :, b : b + h, a : a + w] = torch.rand(3, 1, 1, generator=g) * 255
    return x.clamp(0, 255).round().to(torch.uint8)
