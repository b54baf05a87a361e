"""Makes the small TIFFs in `tiff/` beside this file. Needs Pillow, numpy, tifffile and imagecodecs. Run: python3 make_tiff.py

The drawing of `make.py` in the layouts that programs other than cameras write. Names state the layout.
"""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

HERE = Path(__file__).parent


def main():
    out = HERE / "tiff"
    rgb = Image.open(HERE / "reference.png").convert("RGB")
    array = np.asarray(rgb)
    write = lambda name, data, **how: tifffile.imwrite(out / f"{name}.tif", data, metadata=None, software=None, **how)
    planes = np.ascontiguousarray(array.transpose(2, 0, 1))
    write("tiled_planar", planes, photometric="rgb", planarconfig="separate", tile=(16, 16))
    write("planar_lzw_16", planes.astype(np.uint16) * 257, photometric="rgb", planarconfig="separate", tile=(16, 16),
          compression="lzw", predictor=True)
    write("big_endian_16", array.astype(np.uint16) * 257, photometric="rgb", byteorder=">", compression="zstd", tile=(16, 16))
    write("zstd", array, photometric="rgb", compression="zstd", predictor=True)
    write("float", (array / 255).astype(np.float32), photometric="rgb", compression="deflate", predictor=True, tile=(16, 16))
    write("half_float", (array / 255).astype(np.float16), photometric="rgb", tile=(16, 16))
    write("ycbcr_jpeg", array, photometric="rgb", compression="jpeg", compressionargs={"level": 95}, tile=(16, 16))
    write("rgb_jpeg", array, photometric="rgb", compression="jpeg",
          compressionargs={"level": 95, "outcolorspace": "rgb"}, rowsperstrip=16)

    palette = rgb.quantize(16)
    palette.save(out / "palette_8.tif")
    index = np.asarray(palette)
    colours = np.array(palette.getpalette()[:48]).reshape(16, 3).astype(np.uint16) * 257
    packed = (index[:, 0::2] << 4 | index[:, 1::2]).astype(np.uint8)
    few_bits(out / "palette_4.tif", packed, 4, 3, colours.T)
    grey = np.asarray(rgb.convert("L"))
    two = grey >> 6
    few_bits(out / "grey_2.tif", (two[:, 0::4] << 6 | two[:, 1::4] << 4 | two[:, 2::4] << 2 | two[:, 3::4]).astype(np.uint8), 2, 1)
    four = grey >> 4
    few_bits(out / "grey_4.tif", (four[:, 0::2] << 4 | four[:, 1::2]).astype(np.uint8), 4, 1)

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    in_lab = ImageCms.profileToProfile(rgb, srgb, lab, outputMode="LAB")
    in_lab.save(out / "lab.tif")
    ycbcr = np.asarray(rgb.convert("YCbCr"))
    halved = ycbcr.reshape(16, 2, 24, 2, 3)
    units = np.concatenate([
        halved[..., 0].transpose(0, 2, 1, 3).reshape(16, 24, 4),
        halved[..., 1:].mean((1, 3)).round().astype(np.uint8),
    ], axis=2)
    entries = [(530, 3, 2, (2, 2))]
    directory(out / "ycbcr_2x2.tif", units.tobytes(), 8, 6, entries, samples=3)


def few_bits(path, packed, bits, photometric, colours=None):
    entries = [] if colours is None else [(320, 3, colours.size, tuple(colours.ravel()))]
    directory(path, packed.tobytes(), bits, photometric, entries)


def directory(path, data, bits, photometric, more, samples=1):
    """A little-endian TIFF of one strip."""
    tags = [(256, 3, 1, (48,)), (257, 3, 1, (32,)), (258, 3, samples, (bits,) * samples), (259, 3, 1, (1,)),
            (262, 3, 1, (photometric,)), (273, 4, 1, (8,)), (277, 3, 1, (samples,)), (278, 3, 1, (32,)),
            (279, 4, 1, (len(data),))] + more
    file = bytearray(b"II*\0\0\0\0\0" + data)
    table = bytearray()
    for tag, kind, count, values in sorted(tags):
        value = b"".join(int(v).to_bytes(2 if kind == 3 else 4, "little") for v in values)
        if len(value) > 4:
            at = len(file)
            file += value
            value = at.to_bytes(4, "little")
        table += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little") + value.ljust(4, b"\0")
    file[4:8] = len(file).to_bytes(4, "little")
    file += len(tags).to_bytes(2, "little") + table + b"\0\0\0\0"
    path.write_bytes(file)


if __name__ == "__main__":
    main()
