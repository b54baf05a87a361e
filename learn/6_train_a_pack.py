"""Lesson 6: train a small layer, make a pack of it with its thresholds, and judge it fairly.

The base pack's embedder stays as it is; a linear layer behind it is trained here, in seconds, on a
processor. Training an embedder from scratch takes a GPU and a night: see `training`.

    python learn/6_train_a_pack.py [FOLDER]                   FOLDER has a folder for each person
"""

import hashlib
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

import fusiform
from labelled import pairs, portraits, templates

BASE = Path(__file__).parents[1] / "crates/fusiform/packs/base"


def train(people: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Fisher's discriminant, softened: directions in which photos of one person differ are shrunk.

    With few photos the measured scatter is mostly chance, so it is mixed with that of a pack that
    knows nothing (the identity); without the mixture the layer would learn the photos by heart.
    """
    centred = vectors.astype(np.float64).copy()
    for person in set(people):
        centred[people == person] -= vectors[people == person].mean(axis=0)
    within = centred.T @ centred / len(people)
    mixed = within / np.trace(within) + 4.0 * np.eye(len(within)) / len(within)
    values, directions = np.linalg.eigh(mixed)
    layer = directions @ np.diag(values**-0.5) @ directions.T
    return (layer / np.abs(np.linalg.eigvalsh(layer)).mean()).astype(np.float32)


def write_pack(layer: np.ndarray, thresholds: list[tuple[float, float, float]], pack: Path) -> None:
    """The base pack with the layer behind its embedder, and the thresholds that were measured."""
    pack.mkdir()
    manifest = (BASE / "manifest.toml").read_text()
    for name in ("detector.onnx", "landmarks.onnx"):
        (pack / name).write_bytes((BASE / name).read_bytes())

    model = onnx.load(BASE / "embedder.onnx")
    graph, end = model.graph, model.graph.output[0].name
    for node in graph.node:
        node.output[:] = ["before" if name == end else name for name in node.output]
        node.input[:] = ["before" if name == end else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(layer), "layer"))
    graph.node.append(helper.make_node("MatMul", ["before", "layer"], [end], "lesson"))
    onnx.checker.check_model(model)
    (pack / "embedder.onnx").write_bytes(model.SerializeToString())

    # A pack states what it is, what it was trained on, and what was measured: nothing else may be
    # claimed for it. The hash ties the statement to the file.
    old = hashlib.sha256((BASE / "embedder.onnx").read_bytes()).hexdigest()
    manifest = manifest.replace(old, hashlib.sha256((pack / "embedder.onnx").read_bytes()).hexdigest())
    manifest = re.sub(r'^name = "base"', 'name = "lesson"', manifest, flags=re.M)
    manifest = manifest.replace('"fusiform-embedder"', '"lesson-embedder"')
    # What "cannot be recognised" looks like was measured for the old embedder.
    manifest = re.sub(r"\n\[network\.unrecognisable\].*?\n\]\n", "\n", manifest, flags=re.S)
    manifest = re.sub(r"\n\[\[network\.threshold\]\]\n(?:\w+ = .*\n)+", "\n", manifest)
    stated = "".join(
        f"\n[[network.threshold]]\nfmr = {fmr}\nsimilarity = {similarity:.6f}\nfnmr = {fnmr:.6f}\n"
        for fmr, similarity, fnmr in thresholds
    )
    (pack / "manifest.toml").write_text(manifest.rstrip() + "\n" + stated)


def main(folder: str = "") -> None:
    base = fusiform.Engine()
    people, vectors = templates(base, portraits(folder))

    # Photos that were trained on prove nothing. Every other person is kept for judging.
    learned = people % 2 == 0
    layer = train(people[learned], vectors[learned])
    print(f"trained on {learned.sum()} faces, judged on {(~learned).sum()} of other people")

    # A threshold is measured on pairs that nobody trained on: here on so few that only loose rates
    # can be stated.
    changed = vectors @ layer
    changed /= np.linalg.norm(changed, axis=1, keepdims=True)
    genuine, impostor = pairs(people[~learned], changed[~learned])
    thresholds = []
    for fmr in (1e-1, 5e-2):
        similarity = float(np.quantile(impostor, 1 - fmr))
        thresholds.append((fmr, similarity, float((genuine < similarity).mean())))

    with tempfile.TemporaryDirectory() as home:
        pack = Path(home) / "lesson"
        write_pack(layer, thresholds, pack)
        engine = fusiform.Engine(pack)
        print(f"pack {engine.pack!r}, model {engine.model}")

        # The layer in the pack does what it did in numpy.
        photo = portraits(folder)[0][1]
        template = engine.analyse(photo).largest().template
        print(f"in the pack as in numpy: {float(template @ changed[0]):.4f}")
        assert template @ changed[0] > 0.99

        # Templates of different models never meet.
        try:
            fusiform.compare(engine.analyse(photo).largest(), base.analyse(photo).largest())
        except fusiform.Error as error:
            print("old beside new:", error.kind)
            assert error.kind == "model_mismatch"
        else:
            raise AssertionError("templates of two models were compared")

        # Fairly judged: the same people, neither of whom was trained on.
        for name, judged in (("base", vectors), ("lesson", changed)):
            of_one, of_two = pairs(people[~learned], judged[~learned])
            apart = (of_one.mean() - of_two.mean()) / np.sqrt((of_one.var() + of_two.var()) / 2)
            print(f"{name}: pairs of one person are {apart:.2f} standard deviations apart from others")
        print("a difference on so few faces is chance: lesson 5 says how many it takes")


if __name__ == "__main__":
    main(*sys.argv[1:])
