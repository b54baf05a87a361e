"""The box of a face, read by the landmark network. In: the training data's folder, a checkpoint of
train_landmarks.py. Out: the checkpoint with a layer `boxes` that export.py writes as output `box`.

    python train_boxes.py --data ../../shared/data --start checkpoints/landmarks.pt --out checkpoints/landmarks.pt

A detector has one cell per 8 pixels: its box of a face of 10 pixels is a third too large and lies 2
pixels aside. The crop that the landmark network sees shows the same face enlarged. Its last
features are kept as they are, points and scores stay the same to the bit, and two small layers learn
from them where YuNet's box stands: middle in half sides of the crop, and the logarithms of its half
width and half height. They see what the program's last pass sees, which is the second crop where a
face lay far from where the first expected it (`moved_far` in crates/face/src/landmarks.rs).
Minutes on one core. Photos of the held-out tenth and LFW are not read.
"""

import argparse
import time

import cv2
import numpy as np
import torch

import data
from landmark_views import AGAIN_HALF, frames, round_crop
from landmarks import SIDE, Boxes, Landmarks

# The shortest side of a box and the least score of YuNet's labels that are learnt.
LEAST_PX, LEAST_SCORE = 5, 0.6
# Boxes made of each label, as a detector errs: by so many pixels, within these shares of the box.
JITTERS, OFF_PX, LEAST_OFF, MOST_OFF = 3, 2.2, 0.05, 0.22
# As in crates/face/src/landmarks.rs.
FAR_ROLL_DEG, FAR_SHIFT, FAR_SCALE = 15.0, 0.12, 1.35


class LastPass:
    """Photo and boxes → for each the features of the last pass, and middle, half side and roll of its crop."""

    def __init__(self, net):
        self.net = net

    def run(self, image, frames_of):
        crops, turns = zip(*(round_crop(image, *frame) for frame in frames_of))
        with torch.no_grad():
            features = self.net.features(torch.from_numpy(np.stack(crops)))
            points = self.net.out(features)[:, :10].numpy().reshape(-1, 5, 2) * (SIDE / 2)
        back = [p @ np.linalg.inv(t).T + f[0] for p, t, f in zip(points, turns, frames_of)]
        return features.numpy(), back

    def __call__(self, image, boxes):
        used = [((b[:2] + b[2:]) / 2, max((b[2:] - b[:2]).max() / 2, 1.0), 0.0) for b in boxes]
        features, points = self.run(image, used)
        again = []
        for i, (middle, half, _) in enumerate(used):
            eyes, there, roll = (value[0] for value in frames(points[i][None]))
            second = there, max(AGAIN_HALF * eyes, 1.0), roll
            larger = half / second[1]
            far = abs(np.degrees(roll)) > FAR_ROLL_DEG
            far |= np.linalg.norm(there - middle) / (2 * half) > FAR_SHIFT
            if far or not 1 / FAR_SCALE <= larger < FAR_SCALE:
                again.append(i)
                used[i] = second
        if again:
            features[again] = self.run(image, [used[i] for i in again])[0]
        return features, used


def jittered(box, rng):
    """A box as a detector might give it: aside, and too large where it is small."""
    side = box[2:] - box[:2]
    off = np.clip(OFF_PX / side.max(), LEAST_OFF, MOST_OFF)
    middle = (box[:2] + box[2:]) / 2 + rng.normal(0, off, 2) * side
    half = side / 2 * np.exp(rng.normal(0.6 * off, off, 2) + rng.normal(0, 0.05))
    return np.concatenate([middle - half, middle + half])


def target(box, middle, half, roll):
    """A box as the crop sees it: middle turned with the crop, sides as they are."""
    x, y = (box[:2] + box[2:]) / 2 - middle
    c, s = np.cos(roll), np.sin(roll)
    return [(c * x + s * y) / half, (c * y - s * x) / half, *np.log((box[2:] - box[:2]) / 2 / half)]


def samples(photos, net, say):
    last, rng = LastPass(net), np.random.default_rng(0)
    features, targets = [], []
    for n, (_, image, pseudo, _, out) in enumerate(photos):
        sure = [] if out else [p[:4] for p in pseudo if p[14] >= LEAST_SCORE and p[2:4].min() >= LEAST_PX]
        labels = [np.concatenate([p[:2], p[:2] + p[2:]]) for p in sure for _ in range(JITTERS)]
        if labels:
            seen, used = last(image, [jittered(label, rng) for label in labels])
            features.append(seen)
            targets += [target(label, *frame) for label, frame in zip(labels, used)]
        if n % 1000 == 999:
            say(n + 1, "photos,", len(targets), "views")
    return torch.from_numpy(np.concatenate(features)), torch.tensor(np.array(targets), dtype=torch.float32)


def train(boxes, x, wanted, epochs=60, batch=512, rate=3e-3):
    """Errors count in sides of the box, so that a small one counts as much as a large one."""
    optimizer = torch.optim.AdamW(boxes.parameters(), rate, weight_decay=1e-4)
    steps = epochs * len(x) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    mean = 0.0
    for step in range(steps):
        those = torch.randint(0, len(x), (batch,))
        got, true = boxes(x[those]), wanted[those]
        off = torch.cat([(got[:, :2] - true[:, :2]) / true[:, 2:].exp() / 2, got[:, 2:] - true[:, 2:]], 1)
        loss = torch.nn.functional.smooth_l1_loss(off, torch.zeros_like(off), beta=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        mean += (loss.item() - mean) / min(step + 1, 100)
    return mean


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--start", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    say = lambda *what: print(*what, flush=True)
    cv2.setNumThreads(1)
    torch.manual_seed(0)
    checkpoint = torch.load(args.start, map_location="cpu", weights_only=False)
    net = Landmarks()
    net.load_state_dict(checkpoint["ema"])
    begun = time.time()
    x, wanted = samples(data.scenes(args.data), net.eval(), say)
    boxes = Boxes()
    mean = train(boxes, x, wanted)
    say(len(x), f"views, loss {mean:.4f}, {time.time() - begun:.0f} s")
    torch.save(checkpoint | {"boxes": boxes.state_dict()}, args.out)


if __name__ == "__main__":
    main()
