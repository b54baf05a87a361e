"""Makes the small pictures beside this file. Needs Pillow. Run: python3 make.py

One drawing, asymmetric in every way, in the encodings that the tests' encoders cannot write.
`reference.png` is the drawing as it must come out, `alpha_reference.png` on white,
`palette_reference.png` in sixteen colours.
"""

from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
WIDTH, HEIGHT = 48, 32


def drawing():
    """Soft colours, so that lossy codecs stay close, with a dark corner that tells the eight
    orientations apart."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            dark = x < 16 and y < 8
            image.putpixel((x, y), (20, 30, 60) if dark else (90 + 3 * x, 220 - 4 * y, 100 + 2 * y))
    return image


def inks(rgb):
    """CMYK with as much black as the colour allows, so that a decoder which ignores or inverts K
    is noticed."""
    image = Image.new("CMYK", rgb.size)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            r, g, b = rgb.getpixel((x, y))
            light = max(r, g, b, 1)
            cmy = tuple(255 - 255 * v // light for v in (r, g, b))
            image.putpixel((x, y), cmy + (255 - light,))
    return image


def main():
    rgb = drawing()
    rgb.save(HERE / "reference.png")

    rgb.save(HERE / "baseline_420.jpg", quality=95, subsampling=2)
    rgb.save(HERE / "progressive.jpg", quality=95, subsampling=0, progressive=True)
    rgb.convert("L").save(HERE / "grey.jpg", quality=95)
    # Pillow stores CMYK inverted with an Adobe segment, as Photoshop does.
    inks(rgb).save(HERE / "cmyk_adobe.jpg", quality=95)

    rgb.save(HERE / "lossy.webp", quality=95)
    rgb.save(HERE / "lossless.webp", lossless=True)
    alpha = rgb.copy().convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(rgb.size))
    alpha.save(HERE / "alpha.webp", lossless=True, exact=True)
    alpha.save(HERE / "alpha.png")
    white = Image.new("RGBA", rgb.size, (255, 255, 255, 255))
    Image.alpha_composite(white, alpha).convert("RGB").save(HERE / "alpha_reference.png")
    second = Image.eval(rgb, lambda v: 255 - v)
    rgb.save(HERE / "animated.webp", save_all=True, append_images=[second], lossless=True)

    palette = rgb.quantize(16)
    palette.save(HERE / "palette.png")
    palette.save(HERE / "palette.gif")
    palette.convert("RGB").save(HERE / "palette_reference.png")
    palette.save(HERE / "animated.gif", save_all=True, append_images=[second.quantize(16)])
    rgb.convert("1").save(HERE / "bilevel.png")
    rgb.convert("1").save(HERE / "bilevel.tif")
    rgb.convert("1").convert("RGB").save(HERE / "bilevel_reference.png")

    compressions = {"lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate", "packbits": "packbits"}
    for name, compression in compressions.items():
        rgb.save(HERE / f"{name}.tif", compression=compression, tiffinfo={0x0112: 1})
    inks(rgb).save(HERE / "cmyk.tif")
    rgb.save(HERE / "rgb.bmp")
    palette.save(HERE / "palette.bmp")


if __name__ == "__main__":
    main()
