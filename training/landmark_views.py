"""Training views for the landmark network. In: chips and their points (landmark_data.py), squares
that are none (landmark_squares.py). Out: batches of round crops uint8 [n, 3, 64, 64], points
[n, 5, 2] in half sides, the distance between the eyes in half sides, face 1 or not 0, and whether
enough is seen to tell.

Two views of a face take turns: as a detector's box gives it, turned by any angle and sometimes half
beside the face, and as the second pass sees it, nearly upright and well centred. Non-faces: squares
of photos, patterns, and parts of faces far off the middle. What is done to faces is done to them
alike: where only faces were dark, blurred, masked or at the end of their crop, that alone was a
face to the network.
"""

import math
import random

import cv2
import numpy as np
import torch

from landmark_data import EYES, MIRRORED, PATCH, TEMPLATE, cut
from landmarks import SIDE, circle

# The face in a box of the shipped detector, by 3,050 faces of scenes turned by all angles: half of
# the box's longer side, and its middle seen from the middle of eyes and mouth, in eye distances.
BOX_HALF, BOX_MIDDLE = 1.6, (0.0, -0.21)
# Half a side of the second pass, in eye distances of the mean face that fits the first's points.
AGAIN_HALF = 1.45
# A square of landmark_squares.py has surroundings: it is this many times its own side.
AROUND = 1.6
# Taken for a face with more than this by the network before: hard.
HARD = 0.2
# How many views wear a mask or a bar over the eyes, and how many a mask.
DRESSED, MASKED = 0.14, 0.09
# Deviation of the pixels' values below which nobody could tell a face.
LEAST_CONTRAST = 7.0
# The mean face about its own middle as complex numbers, and where its eyes and mouth have theirs.
MEAN = (TEMPLATE - TEMPLATE.mean(0)) @ np.array([1, 1j])
MIDDLE = (MEAN[:2].mean() + MEAN[3:].mean()) / 2

ROUND = circle().numpy()[..., None]
# The columns of a crop as -1..1.
ACROSS = np.tile(np.linspace(-1, 1, SIDE, dtype=np.float32), (SIDE, 1))


def round_crop(image, middle, half, roll):
    """What the network sees of a photo: float32 [3, 64, 64]; and photo → crop without its shift."""
    k = SIDE / 2 / max(half, 1.0)
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]]) * k
    matrix = np.hstack([turn, ((SIDE - 1) / 2 - turn @ (middle - 0.5))[:, None]])
    seen = (cut(image, matrix, SIDE).astype(np.float32) - 127.5) * ROUND + 127.5
    return seen.transpose(2, 0, 1), turn


class Squares:
    """The squares of landmark_squares.py in a folder; those made while a run reads join it."""

    def __init__(self, folder):
        self.folder, self.parts = folder, {}
        self.look()
        if not self.parts:
            raise FileNotFoundError(f"{folder}: no squares-*.npz; make them by landmark_squares.py")

    def look(self):
        for file in sorted(self.folder.glob("squares-??.npz")):
            if file not in self.parts:
                part = np.load(file)
                self.parts[file] = part["squares"], np.flatnonzero(part["sure"] > HARD)

    def one(self, rng, hard=False):
        """A square, or one of those that the network before took for a face."""
        squares, those = rng.choice(list(self.parts.values()))
        return squares[those[rng.randrange(len(those))] if hard else rng.randrange(len(squares))]


class Views(torch.utils.data.IterableDataset):
    """Endless batches; `wait` is called before each."""

    def __init__(self, chips, points, whole, squares, batch, seed, wait):
        """`whole`: chips before this one have surroundings; `squares`: see Squares."""
        self.chips, self.points, self.whole, self.squares = chips, points, whole, squares
        self.batch, self.seed, self.wait = batch, seed, wait
        self.frames = frames(points)
        self.round = circle().numpy().astype(bool)

    def __iter__(self):
        cv2.setNumThreads(1)
        self.rng, self.noise = random.Random(self.seed), np.random.default_rng(self.seed)
        while True:
            self.wait()
            self.squares.look()
            images, *rest = zip(*(self.view() for _ in range(self.batch)))
            x = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())
            yield x, *(torch.tensor(np.array(v, np.float32)) for v in rest)

    def view(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.62:
            image, points, eyes = self.face(*(self.first() if kind < 0.38 else self.second()))
            image = self.changed(image)
            return image, points, eyes, 1.0, float(self.contrast(image) > LEAST_CONTRAST)
        if kind < 0.70:
            image, _, _ = self.face(*self.astray())
        else:
            image = self.nothing() if kind < 0.985 else self.pattern()
            dressed = rng.random()
            if dressed < DRESSED:
                a, k = rng.uniform(-math.pi, math.pi), rng.uniform(0.45, 0.75)
                turn = k * np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
                points = (TEMPLATE - TEMPLATE.mean(0)) @ turn + SIDE / 2
                image = self.dressed(image, points, dressed < MASKED)
        return self.changed(image), np.zeros((5, 2)), 1.0, 0.0, 1.0

    def contrast(self, image):
        return image[self.round].std(0).max()

    def first(self):
        """Half side, middle (both in eye distances of the face) and roll by a detector's box."""
        rng = self.rng
        most = 30 if rng.random() < 0.25 else 180
        roll = rng.uniform(-most, most)
        x, y = BOX_MIDDLE
        kind = rng.random()
        if kind < 0.6:
            half, at = rng.gauss(0, 0.12), (rng.gauss(x, 0.28), rng.gauss(y, 0.14))
        elif kind < 0.85:
            half, at = rng.gauss(0, 0.25), (rng.gauss(x, 0.3), rng.gauss(y - 0.1, 0.3))
        else:
            # A detector's box of a head on its side or upside down is often half of it.
            half, at = rng.gauss(-0.3, 0.3), (rng.gauss(x, 0.4), rng.gauss(y + 0.1, 0.55))
        return min(max(BOX_HALF * math.exp(half), 0.8), 2.5), at, roll

    def second(self):
        rng = self.rng
        wide = rng.choice([1.0, 1.0, 1.0, 2.0, 2.0, 5.0])
        half = AGAIN_HALF * math.exp(rng.gauss(0, 0.06 * wide))
        return half, (rng.gauss(0, 0.07 * wide), rng.gauss(0, 0.07 * wide)), rng.gauss(0, 4 * wide)

    def astray(self):
        """A part of a face, or one that is mostly outside."""
        rng = self.rng
        way, roll = rng.uniform(0, 2 * math.pi), rng.uniform(-180, 180)
        if rng.random() < 0.5:
            half, off = rng.uniform(0.2, 0.6), rng.uniform(0, 1.3)
        else:
            half = rng.uniform(0.8, 1.7)
            off = max(1.5, half + 0.1) + rng.uniform(0, 0.6)
        return half, (off * math.cos(way), off * math.sin(way)), roll

    def face(self, half, at, roll):
        """A chip seen through a round window, with mild perspective, and its points."""
        rng = self.rng
        span = (self.whole,) if rng.random() < 0.45 else (self.whole, len(self.chips))
        i = rng.randrange(*span)
        chip, points = self.chips[i], self.points[i]
        # `half`, `at` and `roll` speak of the mean face that fits this one.
        eyes, middle, tilt = self.frames[0][i], self.frames[1][i], self.frames[2][i]
        angle = math.radians(roll) - tilt
        k = SIDE / 2 / (half * eyes)
        stretch, flip = math.exp(rng.gauss(0, 0.04)), -1.0 if rng.random() < 0.5 else 1.0
        c, s = math.cos(angle) * k, math.sin(angle) * k
        ct, st = math.cos(tilt) * eyes, math.sin(tilt) * eyes
        x, y = middle[0] + ct * at[0] - st * at[1], middle[1] + st * at[0] + ct * at[1]
        a, b, c, d = flip * stretch * c, -flip * s / stretch, stretch * s, c / stretch
        far = 0.08 / SIDE if rng.random() < 0.5 else 0.0
        bend = (rng.gauss(0, far), rng.gauss(0, far))
        # Chip → crop about its middle, then the perspective, then to where pixels count from.
        warp = np.array([[a, b, -a * x - b * y], [c, d, -c * x - d * y], [0, 0, 1]])
        warp[2] = bend @ warp[:2] + warp[2]
        seen = points @ warp[:, :2].T + warp[:, 2]
        seen = seen[:, :2] / seen[:, 2:]
        to = warp + (SIDE - 1) / 2 * np.array([1, 1, 0])[:, None] * warp[2]
        if k < 0.75 and rng.random() < 0.35:
            # Half of a sampler's answer to a large face: what lies between its samples is mixed in.
            chip = cv2.blur(chip, (2, 2) if k > 0.45 else (3, 3))
        image = cv2.warpPerspective(chip, to, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
        dressed = rng.random()
        if dressed < DRESSED:
            image = self.dressed(image, seen + (SIDE - 1) / 2, dressed < MASKED)
        seen = seen / (SIDE / 2)
        return image, seen[MIRRORED] if flip < 0 else seen, eyes * k / (SIDE / 2)

    def dressed(self, image, points, mask):
        """A face mask or a bar over the eyes, of one colour with a shade."""
        rng = self.rng
        eyes, across = (points[0] + points[1]) / 2, points[1] - points[0]
        middle = (points[3] + points[4]) / 2
        if mask:
            down = middle - eyes
            top = points[2] - rng.uniform(0.0, 0.45) * down
            wide, low = rng.uniform(0.85, 1.1) * across, middle + rng.uniform(0.6, 0.85) * down
            drop, part = rng.uniform(0, 0.25) * down, 0.35 * wide
            left = [middle - 0.85 * wide, top - wide + drop]
            right = [top + wide + drop, middle + 0.85 * wide]
            shape = [*left, top, *right, low + part, low - part]
        else:
            high = rng.uniform(0.2, 0.35) * np.array([-across[1], across[0]])
            wide = rng.uniform(0.8, 1.0) * across
            shape = [eyes - wide - high, eyes + wide - high, eyes + wide + high, eyes - wide + high]
        # Sixteenths of a pixel, so that its edges are soft.
        shape = np.round(np.array(shape) * 16).astype(np.int32)
        inside = cv2.fillPoly(np.zeros((SIDE, SIDE), np.uint8), [shape], 255, cv2.LINE_AA, 4)
        inside = inside[..., None] / np.float32(255)
        colour = self.noise.uniform(0, 255, 3).astype(np.float32)
        shade = 1 + rng.uniform(-0.3, 0.3) * (ACROSS if rng.random() < 0.5 else ACROSS.T)[..., None]
        return (image * (1 - inside) + np.clip(colour * shade, 0, 255) * inside).astype(np.uint8)

    def nothing(self):
        """A square that is no box of a face, at any turn; often with the end of an aligned crop."""
        rng = self.rng
        patch = self.squares.one(rng, hard=rng.random() < 0.5)
        half, middle = PATCH / 2 / AROUND, PATCH / 2
        left = top = 0
        if rng.random() < 0.4:
            # Where the padding of aligned crops begins, seen from the middle of the face.
            ends = (rng.uniform(0.9, 1.4), rng.uniform(1.2, 1.6), rng.uniform(0.7, 1.1))
            aside, above, below = (int(half * end) for end in ends)
            left, top = int(middle) - aside, int(middle) - above
            patch = patch[max(top, 0) : int(middle) + below, left : int(middle) + aside]
            top = max(top, 0)
        k = SIDE / 2 / half * math.exp(rng.gauss(0, 0.1))
        centre = (middle - left + rng.gauss(0, 3), middle - top + rng.gauss(0, 3))
        matrix = cv2.getRotationMatrix2D(centre, rng.uniform(-180, 180), k)
        matrix[:, 2] += SIDE / 2 - np.array(centre)
        if rng.random() < 0.5:
            matrix[0] = [0, 0, SIDE - 1] - matrix[0]
        patch = np.ascontiguousarray(patch)
        return cv2.warpAffine(patch, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)

    def pattern(self):
        """Stripes, rings, checks, two discs over a bar, and blots."""
        rng = self.rng
        y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
        a, period = rng.uniform(0, math.pi), rng.uniform(4, 40)
        along, over = x * math.cos(a) + y * math.sin(a), y * math.cos(a) - x * math.sin(a)
        kind = rng.randrange(5)
        if kind == 0:
            wave = np.sin(2 * math.pi * along / period)
        elif kind == 1:
            away = np.hypot(along - rng.gauss(0, 10), over * rng.uniform(0.6, 1.6))
            wave = np.sin(2 * math.pi * away / period)
        elif kind == 2:
            turns = 2 * math.pi / period
            wave = np.sign(np.sin(along * turns) * np.sin(over * turns))
        elif kind == 3:
            wave = np.full((SIDE, SIDE), -1.0)
            for centre in (-1, 1):
                wave[np.hypot(along - centre * period / 2.5, over + 8) < rng.uniform(3, 9)] = 1
            if rng.random() < 0.5:
                wave[(np.abs(along) < period / 2) & (np.abs(over - 12) < 3)] = 1
        else:
            coarse = self.noise.standard_normal((rng.choice([2, 4, 8, 16]),) * 2).astype(np.float32)
            wave = np.clip(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), -1, 1)
        one, two = (self.noise.uniform(0, 255, 3) for _ in range(2))
        return np.clip(one + (two - one) * (wave[..., None] + 1) / 2, 0, 255).astype(np.uint8)

    def changed(self, image):
        """What cameras, compression and things in front do."""
        rng = self.rng
        hit = lambda p: rng.random() < p
        if hit(0.12):
            image = self.covered(image)
        if hit(0.4):
            side = int(math.exp(rng.uniform(math.log(12), math.log(48))))
            how = rng.choice([cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR])
            image = cv2.resize(image, (side, side), interpolation=how)
            if hit(0.3):
                image = self.compressed(image)
            how = rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC])
            image = cv2.resize(image, (SIDE, SIDE), interpolation=how)
        elif hit(0.12):
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.5))
        if hit(0.06):
            n = rng.choice([5, 7, 9])
            line = np.zeros((n, n), np.float32)
            a = rng.uniform(0, math.pi)
            reach = n // 2 * np.array([math.cos(a), math.sin(a)])
            ends = (tuple(np.round(n // 2 + s * reach).astype(int).tolist()) for s in (-1, 1))
            cv2.line(line, *ends, 1.0)
            image = cv2.filter2D(image, -1, line / line.sum())
        # What changes a value alone is one table per channel.
        table = np.repeat(np.arange(256.0)[:, None], 3, 1)
        if hit(0.6):
            table = (table - 128) * rng.uniform(0.5, 1.4) + 128 + rng.uniform(-40, 40)
        if hit(0.3):
            table = table * [rng.uniform(0.8, 1.2) for _ in range(3)]
        if hit(0.2):
            table = 255 * (np.clip(table, 0, 255) / 255) ** math.exp(rng.uniform(-0.6, 0.6))
        if hit(0.07):
            table = table * rng.uniform(0.06, 0.35)
        image = cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8).reshape(256, 1, 3))
        if hit(0.12):
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if hit(0.05):
            # Light from one side.
            a, most = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 0.9)
            light = 1 + most * (ACROSS * math.cos(a) + ACROSS.T * math.sin(a))
            image = np.clip(image * np.clip(light, 0.05, 2)[..., None], 0, 255).astype(np.uint8)
        if hit(0.15):
            noise = self.noise.standard_normal(image.shape, np.float32) * rng.uniform(2, 14)
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
        if hit(0.15):
            image = self.compressed(image)
        image[~self.round] = 127
        return image

    def compressed(self, image):
        quality = [cv2.IMWRITE_JPEG_QUALITY, self.rng.randint(15, 70)]
        return cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)

    def covered(self, image):
        """A flat rectangle, a piece of another photo, or the photo's end."""
        rng = self.rng
        image = np.array(image)
        kind = rng.random()
        if kind < 0.3:
            y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
            a = rng.uniform(0, 2 * math.pi)
            beyond = x * math.cos(a) + y * math.sin(a) > rng.uniform(12, 32)
            image[beyond] = rng.choice([0, 0, 127, 255])
            return image
        w, h = rng.randint(6, 32), rng.randint(6, 32)
        x, y = rng.randint(-4, SIDE - 4), rng.randint(-4, SIDE - 4)
        x, y, x1, y1 = max(x, 0), max(y, 0), x + w, y + h
        part = image[y:y1, x:x1]
        if kind < 0.65:
            part[:] = self.noise.uniform(0, 255, 3)
        else:
            patch = self.squares.one(rng)
            part[:] = cv2.resize(patch, part.shape[1::-1], interpolation=cv2.INTER_AREA)
        return image


def frames(points):
    """Of [n, 5, 2] the mean face that fits: eye distance, middle of eyes and mouth, roll."""
    # The least-squares similarity: with complex numbers one division.
    middle = points.mean(1)
    z = ((points - middle[:, None]) @ np.array([1, 1j])) @ np.conj(MEAN) / (np.abs(MEAN) ** 2).sum()
    middle = middle + np.stack([(z * MIDDLE).real, (z * MIDDLE).imag], 1)
    return EYES * np.abs(z), middle, np.angle(z)
