"""Lesson 1: where are the faces, and how good are they?

    python learn/1_first_detection.py [PHOTO] [DRAWING]
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

import fusiform

SAMPLES = Path(__file__).parents[1] / "samples/album"


def main(photo: str = str(SAMPLES / "25-group.jpg"), drawing: str = "") -> None:
    # The networks are built once. An engine never changes, and threads may share it.
    engine = fusiform.Engine()
    analysed = engine.analyse(photo)
    print(f"{analysed.width_px}x{analysed.height_px} px, {len(analysed.faces)} faces")

    # Boxes and points are pixels of the upright photo; a box may reach over its edge.
    for number, face in enumerate(analysed.faces, 1):
        box, quality = face.bbox, face.quality
        print(f"face {number}: {box.width:.0f}x{box.height:.0f} px, score {face.score:.2f}")
        # Each part of the quality is the share of a recogniser's accuracy that it leaves.
        print(f"  quality {quality.overall:.2f} = size {quality.size:.2f} x sharpness "
              f"{quality.sharpness:.2f} x exposure {quality.exposure:.2f} x ...")
        print(f"  looks {face.pose.yaw_deg:+.0f} degrees to its left")

    # The same faces in a photo of a twentieth of the size: somebody is there, but who?
    pixels = engine.decode(photo)
    tiny = Image.fromarray(pixels).resize((pixels.shape[1] // 20, pixels.shape[0] // 20))
    lost = engine.analyse(tiny, min_face_px=4).faces
    unclear = sum(face.is_unclear for face in lost)
    print(f"a twentieth of the size: {len(lost)} faces, {unclear} of them unclear")
    assert len(analysed.faces) >= 2 and not any(face.is_unclear for face in analysed.faces)
    assert unclear == len(lost), "nobody can be recognised by so few pixels"

    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    for face in analysed.faces:
        draw.rectangle(tuple(face.bbox), outline="red", width=3)
        for x, y in face.landmarks if face.landmarks is not None else []:
            draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill="lime")
    with tempfile.TemporaryDirectory() as folder:
        target = drawing or f"{folder}/faces.png"
        picture.save(target)
        if drawing:
            print("drawn:", drawing)


if __name__ == "__main__":
    main(*sys.argv[1:])
