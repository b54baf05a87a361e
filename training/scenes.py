"""Training views for the detector, made on the device. In: scene photos with labels, crowds
(crowds.py). Out: squares BGR float [n, 3, side, side] of whole numbers 0..255 and their faces
[n, MOST, 16].

A face is a row of 16: x, y, w, h, five landmarks, score of the label, and 1; a row of score 0 is
none. The photos lie on the device, each in a square of SIDE pixels, with copies of half and a
quarter of its size; a view is one sampling of the copy that suits its scale: parts of many scales,
whole photos, faces that fill the view, what a detector wrongly took for a face, mirrored, turned
by up to 60 degrees, changed in colour, blurred, noisy.
"""

import math
import random

import cv2
import numpy as np
import torch
import torch.nn.functional as F

MIRRORED = [1, 0, 2, 4, 3]
# A photo's square, as large as the scenes' longest side, and the most faces kept of one.
SIDE, MOST = 448, 64


def labelled(pseudo, human):
    """Rows of faces; a doubtful pseudo-label on which a person put landmarks is a face."""
    faces = np.ones((len(pseudo), 16), np.float32)
    faces[:, :15] = pseudo
    for nose in human[:, 2]:
        on = (faces[:, 0] < nose[0]) & (nose[0] < faces[:, 0] + faces[:, 2])
        on &= (faces[:, 1] < nose[1]) & (nose[1] < faces[:, 1] + faces[:, 3])
        faces[on, 14] = np.maximum(faces[on, 14], 0.7)
    return faces


def laid_out(scenes):
    """Photos BGR uint8 [p, SIDE, SIDE, 3] at the upper left, sizes [p, 2] as h, w, and faces."""
    photos = np.zeros((len(scenes), SIDE, SIDE, 3), np.uint8)
    sizes = np.zeros((len(scenes), 2), np.float32)
    faces = np.zeros((len(scenes), MOST, 16), np.float32)
    for i, (_, image, pseudo, human, _) in enumerate(scenes):
        k = min(1.0, SIDE / max(image.shape[:2]))
        if k < 1:
            image = cv2.resize(image, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
        h, w = image.shape[:2]
        photos[i, :h, :w], sizes[i] = image[:, :, ::-1], (h, w)
        rows = labelled(pseudo, human)
        rows[:, :14] *= k
        rows = rows[np.argsort(-rows[:, 14])][:MOST]
        faces[i, : len(rows)] = rows
    return photos, sizes, faces


class Views:
    def __init__(self, photos, sizes, faces, n_scenes, mistakes, device, seed):
        """`n_scenes`: the photos from this one on are crowds; `mistakes`: per photo [m, 4] boxes."""
        self.levels = [torch.from_numpy(photos).to(device)]
        for _ in range(2):
            parts = self.levels[-1].split(256)
            self.levels.append(torch.cat([self.halved(part) for part in parts]))
        self.sizes, self.faces, self.n_scenes, self.mistakes = sizes, faces, n_scenes, mistakes
        self.device, self.rows = device, torch.from_numpy(faces).to(device)
        self.rng, self.random = random.Random(seed), torch.Generator(device).manual_seed(seed)

    @staticmethod
    def halved(photos):
        small = F.avg_pool2d(photos.permute(0, 3, 1, 2).float(), 2).round().byte()
        return small.permute(0, 2, 3, 1).contiguous()

    def batch(self, n, side, whole, crowds=0.25):
        """`n` views and their faces; `crowds` is the share of crowds."""
        rng, chosen, mirrored, scales, angles, back = self.rng, [], [], [], [], []
        for _ in range(n):
            i = rng.randrange(self.n_scenes)
            if len(self.sizes) > self.n_scenes and rng.random() < crowds:
                i = rng.randrange(self.n_scenes, len(self.sizes))
            length, x, y = self.window(i, whole)
            scale = length / side
            angle = rng.uniform(-60, 60) if rng.random() < 0.4 else rng.gauss(0, 6)
            flip = rng.random() < 0.5
            turn = math.radians(angle)
            c, s, mirror = math.cos(turn) * scale, math.sin(turn) * scale, -1.0 if flip else 1.0
            # From a view's middle to the photo's corner, from which labels count.
            back.append([[c * mirror, -s, x], [s * mirror, c, y]])
            chosen.append(i), mirrored.append(flip), scales.append(scale), angles.append(turn)
        told = lambda values: torch.tensor(values, device=self.device, dtype=torch.float32)
        back, index = told(back), torch.tensor(chosen, device=self.device)
        views = self.sampled(index, np.array(scales), back, side)
        flips = torch.tensor(mirrored, device=self.device)
        faces = turned(self.rows[index], back, flips, told(scales), told(angles), side)
        return self.coloured(views), faces

    def window(self, i, whole):
        """Side and middle of the square to cut: the photo, or around a face or a mistake, or
        anywhere."""
        rng, (h, w) = self.rng, self.sizes[i]
        faces = self.faces[i][self.faces[i, :, 14] > 0]
        wrong = self.mistakes[i] if i < len(self.mistakes) else ()
        focus = wrong if rng.random() < 0.2 else faces
        if whole:
            length = max(h, w) * rng.uniform(0.7, 1.3)
        elif len(focus) and rng.random() < 0.65:
            x, y, fw, fh = focus[rng.randrange(len(focus)), :4]
            size = max(fw, fh)
            # Even on a logarithmic scale: from a face that fills the view to one of a twentieth of
            # it, and as often one that fills a good part of it, or such faces would be few.
            length = size * math.exp(rng.uniform(math.log(0.9), math.log(rng.choice([20, 2.5]))))
            length = min(max(48.0, length), 1.3 * max(h, w, size))
            spare = max(length - size, 0.1 * size) / 2
            aside = lambda: rng.uniform(-spare, spare)
            return length, x + fw / 2 + aside(), y + fh / 2 + aside()
        elif rng.random() < 0.75:
            length = rng.choice([0.3, 0.45, 0.6, 0.8, 1.0, 1.0, 1.25]) * min(h, w)
        else:
            length = max(h, w) * rng.uniform(0.9, 1.3)
        length = max(length, 64)
        at = lambda spare: rng.uniform(min(0, spare), max(0, spare)) + length / 2
        return length, at(w - length), at(h - length)

    def sampled(self, index, scales, back, side):
        """Views [n, 3, side, side]; what lies outside of a photo is black, grey or light."""
        n, device = len(index), self.device
        out = torch.empty(n, 3, side, side, device=device)
        at = torch.arange(side, device=device) - (side - 1) / 2
        y, x = torch.meshgrid(at, at, indexing="ij")
        greys = torch.tensor([0.0, 0.0, 114.0, 200.0], device=device)
        pick = torch.randint(4, (n,), generator=self.random, device=device)
        fill = greys[pick][:, None, None, None]
        sizes = torch.from_numpy(self.sizes).to(device)[index]
        # Sampling one pixel in two would alias: the copy of half the size has these pixels' mean.
        suits = np.where(scales < 1.4, 0, np.where(scales < 2.8, 1, 2))
        for level, photos in enumerate(self.levels):
            rows = torch.from_numpy(np.flatnonzero(suits == level)).to(device)
            if not len(rows):
                continue
            m = back[rows][..., None, None]
            px = m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2]
            py = m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2]
            grid = torch.stack([px, py], -1) / SIDE * 2 - 1
            source = photos[index[rows]].permute(0, 3, 1, 2).float()
            view = F.grid_sample(source, grid, padding_mode="border", align_corners=False)
            h, w = sizes[rows].T[..., None, None]
            inside = (px >= 0) & (px <= w) & (py >= 0) & (py <= h)
            out[rows] = torch.where(inside[:, None], view, fill[rows])
        return out

    def coloured(self, x):
        """Light, colour, contrast, grey, blur and noise, each on its share of the views alone."""
        draw, device = self.rng, self.device

        def changed(share, change):
            rows = [i for i in range(len(x)) if draw.random() < share]
            if rows:
                rows = torch.tensor(rows, device=device)
                x[rows] = change(x[rows])

        def between(low, high, n, channels=1):
            shape = (n, channels, 1, 1)
            share = torch.rand(shape, generator=self.random, device=device)
            return share * (high - low) + low

        def light(v):
            return (v - 128) * between(0.5, 1.45, len(v)) + 128 + between(-40, 40, len(v))

        def bent(v):
            return 255 * (v.clamp(0, 255) / 255 + 1e-4) ** between(0.6, 2.0, len(v))

        def blurred(v):
            at = torch.arange(-4, 5, device=device)
            bell = torch.exp(-(at**2) / (2 * draw.uniform(0.5, 2.2) ** 2))
            bell = (bell / bell.sum()).repeat(3, 1)
            wide = F.pad(v, (4, 4, 4, 4), mode="replicate")
            across = F.conv2d(wide, bell.view(3, 1, 1, 9), groups=3)
            return F.conv2d(across, bell.view(3, 1, 9, 1), groups=3)

        def noisy(v):
            noise = torch.randn(v.shape, generator=self.random, device=device)
            return v + noise * between(2, 14, len(v))

        changed(0.6, light)
        changed(0.3, lambda v: v * between(0.82, 1.18, len(v), 3))
        changed(0.3, bent)
        changed(0.12, lambda v: v.mean(1, keepdim=True).expand_as(v))
        changed(0.15, blurred)
        changed(0.15, noisy)
        return x.clamp_(0, 255).round_()


def turned(faces, back, flips, scales, turns, side):
    """Faces [n, MOST, 16] of photos as the views have them; those whose centre is outside score 0.

    A face is an ellipse: its box is what stands upright around it after the turn.
    """
    ahead = torch.linalg.inv(back[:, :, :2])
    to = lambda p: (p - back[:, None, :, 2]) @ ahead.transpose(1, 2) + side / 2
    centre = to(faces[..., :2] + faces[..., 2:4] / 2)
    points = to(faces[..., 4:14].reshape(len(faces), -1, 2)).unflatten(1, (-1, 5))
    points = torch.where(flips[:, None, None, None], points[:, :, MIRRORED], points)
    w, h = (faces[..., 2:4] / scales[:, None, None]).unbind(-1)
    c, s = torch.cos(turns)[:, None], torch.sin(turns)[:, None]
    size = torch.stack([torch.hypot(w * c, h * s), torch.hypot(h * c, w * s)], -1)
    outside = ((centre < 0) | (centre >= side)).any(-1)
    score = torch.where(outside, 0.0, faces[..., 14])[..., None]
    return torch.cat([centre - size / 2, size, points.flatten(2), score, faces[..., 15:]], -1)
