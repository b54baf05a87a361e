"""Makes the small HEIC, AVIF and JPEG XL files beside this file. Needs Pillow 11.3 or newer, pillow-heif and
pillow-jxl-plugin. Run: python3 make_modern.py

The drawing of `make.py`, in the encodings that phones write: whole, with transparency, in 10 bits,
grey, turned by the container while EXIF states the same turn.
"""

from pathlib import Path

import pillow_heif
import pillow_jxl  # noqa: F401  registers JPEG XL
from PIL import Image

HERE = Path(__file__).parent


def boxes(data, start, end):
    """Kind, start and end of the boxes in a range; all have short sizes."""
    while start < end:
        size = int.from_bytes(data[start : start + 4], "big")
        yield bytes(data[start + 4 : start + 8]), start, start + size
        start += size


def with_rotation(file, quarters):
    """The file with a property `irot` of its primary item: so many quarter turns anticlockwise."""
    file = bytearray(file)
    where = {}

    def walk(start, end):
        for kind, at, stop in boxes(file, start, end):
            where[kind] = (at, stop)
            if kind == b"meta":
                walk(at + 12, stop)
            elif kind == b"iprp":
                walk(at + 8, stop)

    walk(0, len(file))
    property_box = b"\0\0\0\x09irot" + bytes([quarters])
    n_properties = sum(1 for _ in boxes(file, where[b"ipco"][0] + 8, where[b"ipco"][1]))
    ipma = where[b"ipma"][0]
    # Version 0, one byte for an index; the primary item is the first one listed.
    assert file[ipma + 8] == 0 and file[ipma + 11] & 1 == 0
    file[ipma + 18] += 1
    file.insert(ipma + 19 + file[ipma + 18] - 1, n_properties + 1)
    ipco_end = where[b"ipco"][1]
    file[ipco_end:ipco_end] = property_box
    grown = {b"meta": 10, b"iprp": 10, b"ipco": 9, b"ipma": 1}
    for kind, n in grown.items():
        at = where[kind][0] + (9 if kind == b"ipma" else 0)
        file[at : at + 4] = (int.from_bytes(file[at : at + 4], "big") + n).to_bytes(4, "big")
    # Offsets of items count from the start of the file.
    iloc = where[b"iloc"][0] + (10 if where[b"iloc"][0] > ipco_end else 0)
    assert file[iloc + 8] == 0 and file[iloc + 12] == 0x44 and file[iloc + 13] == 0x40
    n_items = int.from_bytes(file[iloc + 14 : iloc + 16], "big")
    at = iloc + 16
    for _ in range(n_items):
        base = at + 4
        file[base : base + 4] = (int.from_bytes(file[base : base + 4], "big") + 10).to_bytes(4, "big")
        at += 10 + 8 * int.from_bytes(file[at + 8 : at + 10], "big")
    return bytes(file)


def main():
    pillow_heif.register_heif_opener()
    rgb = Image.open(HERE / "reference.png").convert("RGB")
    alpha = Image.open(HERE / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 1
    exif[0x010F] = "made"
    exif.get_ifd(0x8769)[0x9003] = "1998:12:31 23:59:58"

    rgb.save(HERE / "plain.heic", quality=95, chroma=444, exif=exif)
    alpha.save(HERE / "alpha.heic", quality=95, chroma=444)
    # The container turns it back, and the EXIF block says so too.
    stored = rgb.transpose(Image.Transpose.ROTATE_90)
    stored.save(HERE / "turned.heic", quality=95, chroma=444, exif=exif)
    turned = with_rotation((HERE / "turned.heic").read_bytes(), quarters=3)
    at = turned.index(b"\x01\x12\x00\x03") if b"\x01\x12\x00\x03" in turned else turned.index(b"\x12\x01\x03\x00")
    turned = turned[: at + 8] + turned[at + 8 : at + 12].replace(b"\x01", b"\x06") + turned[at + 12 :]
    (HERE / "turned.heic").write_bytes(turned)
    exif[0x0112] = 6
    exif[0x0112] = 1

    rgb.save(HERE / "plain.avif", quality=95, subsampling="4:2:0", exif=exif.tobytes())
    rgb.save(HERE / "full.avif", quality=95, subsampling="4:4:4", range="limited")
    alpha.save(HERE / "alpha.avif", quality=95, subsampling="4:4:4")
    rgb.convert("L").save(HERE / "grey.avif", quality=95)
    exif[0x0112] = 6
    stored.save(HERE / "turned.avif", quality=95, subsampling="4:4:4", exif=exif.tobytes())
    exif[0x0112] = 1

    rgb.save(HERE / "lossless.jxl", lossless=True)
    rgb.save(HERE / "lossy.jxl", quality=95, exif=exif.tobytes(), use_container=True)
    alpha.save(HERE / "alpha.jxl", lossless=True)
    rgb.convert("L").save(HERE / "grey.jxl", lossless=True)


if __name__ == "__main__":
    main()
