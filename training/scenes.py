"""Training views for the detector. In: scene photos with labels. Out: squares BGR uint8 [3, side, side] and their faces.

A face is a row of 16: x, y, w, h, five landmarks, score of the label, and whether its landmarks count. Squares of many
scales, mosaics of four, whole photos, mirror, small turns, colour, blur, noise.
"""

import math
import random

import cv2
import numpy as np

MIRRORED = [1, 0, 2, 4, 3]


class Scenes:
    def __init__(self, scenes, seed):
        self.scenes, self.rng = scenes, random.Random(seed)
        self.noise = np.random.default_rng(seed)

    def view(self, side, whole=False):
        """A whole photo, near enough, or else a square or a mosaic of four."""
        half = side // 2
        if whole or self.rng.random() < 0.7:
            image, faces = self.square(side, whole)
        else:
            image, found = np.zeros((side, side, 3), np.uint8), []
            for y in (0, half):
                for x in (0, half):
                    image[y : y + half, x : x + half], faces = self.square(half)
                    found.append(moved(faces, x, y))
            faces = np.concatenate(found)
        return self.coloured(image)[:, :, ::-1].transpose(2, 0, 1).copy(), faces

    def square(self, side, whole=False):
        """A part of one photo, `side` pixels wide, mirrored and turned now and then."""
        rng = self.rng
        _, image, pseudo, human, _ = rng.choice(self.scenes)
        h, w = image.shape[:2]
        faces = labelled(pseudo, human)
        length, left, top = self.window(h, w, faces, whole)
        k = side / length
        matrix = np.array([[k, 0, -left * k], [0, k, -top * k], [0, 0, 1]])
        flip = rng.random() < 0.5
        if flip:
            matrix = np.array([[-1.0, 0, side - 1], [0, 1, 0], [0, 0, 1]]) @ matrix
        if rng.random() < 0.25:
            turn = np.eye(3)
            turn[:2] = cv2.getRotationMatrix2D((side / 2, side / 2), rng.uniform(-15, 15), 1.0)
            matrix = turn @ matrix
        warp = matrix
        if k < 0.6:
            # Sampling one pixel in two would alias: the photo shrinks first.
            image = cv2.resize(image, None, fx=k * 1.2, fy=k * 1.2, interpolation=cv2.INTER_AREA)
            warp = matrix @ np.diag([w / image.shape[1], h / image.shape[0], 1.0])
        fill = rng.choice([0, 0, 114, rng.randrange(256)])
        out = cv2.warpAffine(image, warp[:2], (side, side), flags=cv2.INTER_LINEAR, borderValue=(fill,) * 3)
        return out, warped(faces, matrix, k, flip, side)

    def window(self, h, w, faces, whole):
        """Side, left and top of the square to cut: the photo, or around a face of any share of the view, or anywhere."""
        rng = self.rng
        if whole:
            length = max(h, w) * rng.uniform(0.7, 1.3)
        elif len(faces) and rng.random() < 0.6:
            face = faces[rng.randrange(len(faces))]
            size = max(face[2], face[3])
            # Even on a logarithmic scale: from a face that fills the view to one of a twentieth of it, and as often one
            # that fills the view or a good part of it, or such faces would be few among the many of other views.
            most = rng.choice([20, 2.5])
            length = max(48.0, size * math.exp(rng.uniform(math.log(0.9), math.log(most))))
            length = min(length, 1.3 * max(h, w, size))
            spare = max(length - size, 0.1 * size) / 2
            cx = face[0] + face[2] / 2 + rng.uniform(-spare, spare)
            cy = face[1] + face[3] / 2 + rng.uniform(-spare, spare)
            return length, cx - length / 2, cy - length / 2
        elif rng.random() < 0.75:
            length = rng.choice([0.3, 0.45, 0.6, 0.8, 1.0, 1.0, 1.25]) * min(h, w)
        else:
            length = max(h, w) * rng.uniform(0.9, 1.3)
        length = max(length, 64)
        spare_w, spare_h = w - length, h - length
        return length, rng.uniform(min(0, spare_w), max(0, spare_w)), rng.uniform(min(0, spare_h), max(0, spare_h))

    def coloured(self, image):
        rng = self.rng
        x = image.astype(np.float32)
        if rng.random() < 0.6:
            x = (x - 128) * rng.uniform(0.6, 1.4) + 128 + rng.uniform(-35, 35)
        if rng.random() < 0.3:
            x *= np.array([rng.uniform(0.85, 1.15) for _ in range(3)], np.float32)
        if rng.random() < 0.3:
            x = 255 * (np.clip(x, 0, 255) / 255) ** rng.uniform(0.6, 1.6)
        if rng.random() < 0.1:
            x = np.repeat(x.mean(2, keepdims=True), 3, 2)
        if rng.random() < 0.15:
            x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 2.0))
        if rng.random() < 0.15:
            x = x + self.noise.standard_normal(x.shape, np.float32) * rng.uniform(2, 12)
        return np.clip(x, 0, 255).astype(np.uint8)


def labelled(pseudo, human):
    """Rows of faces; a doubtful pseudo-label on which a person put landmarks is a face."""
    faces = np.ones((len(pseudo), 16), np.float32)
    faces[:, :15] = pseudo
    for nose in human[:, 2]:
        on = (faces[:, 0] < nose[0]) & (nose[0] < faces[:, 0] + faces[:, 2])
        on &= (faces[:, 1] < nose[1]) & (nose[1] < faces[:, 1] + faces[:, 3])
        faces[on, 14] = np.maximum(faces[on, 14], 0.7)
    return faces


def moved(faces, x, y):
    faces = faces.copy()
    faces[:, [0, *range(4, 14, 2)]] += x
    faces[:, [1, *range(5, 14, 2)]] += y
    return faces


def warped(faces, matrix, scale, flip, side):
    """Faces after the similarity `matrix`; boxes stay upright. Those whose centre left the view are dropped."""
    if not len(faces):
        return faces
    centres = (faces[:, :2] + faces[:, 2:4] / 2) @ matrix[:2, :2].T + matrix[:2, 2]
    sizes = faces[:, 2:4] * scale
    points = faces[:, 4:14].reshape(-1, 5, 2) @ matrix[:2, :2].T + matrix[:2, 2]
    if flip:
        points = points[:, MIRRORED]
    out = np.concatenate([centres - sizes / 2, sizes, points.reshape(-1, 10), faces[:, 14:]], 1).astype(np.float32)
    return out[((centres > 0) & (centres < side)).all(1)]
