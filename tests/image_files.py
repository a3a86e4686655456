"""Small files of image sets, laid out as their makers do, and images of unusual kinds."""

import gzip
import struct
import zlib

import numpy as np
import rasterio
import tifffile
from PIL import Image


def pixels(*shape, seed=0):
    """Random uint8 values."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def patchy(height, width, channels, seed=0):
    """Uint8 patches of 9 × 9 pixels, a little grainy: models find several classes in them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 248, (height // 9 + 1, width // 9 + 1, channels))
    fine = coarse.repeat(9, 0).repeat(9, 1)[:height, :width]
    return (fine + rng.integers(0, 8, fine.shape)).astype(np.uint8)


def idx(path, values, packed=True, magic=None):
    """A file of MNIST's format, gzipped or not."""
    head = struct.pack(f">I{values.ndim}I", magic or 0x800 + values.ndim, *values.shape)
    stored = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(stored) if packed else stored)


def mnist_files(folder, packed=True, ending="-idx"):
    """MNIST's four files of seven images in all, which come back with their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = pixels(7, 6, 5), np.arange(7) % 10
    dot = ".gz" if packed else ""
    for part, here in (("train", slice(0, 4)), ("t10k", slice(4, 7))):
        idx(folder / f"{part}-images{ending}3-ubyte{dot}", images[here], packed)
        idx(folder / f"{part}-labels{ending}1-ubyte{dot}", labels[here], packed)
    return images, labels


def python2(path, values):
    """A pickle of protocol 2 as Python 2 wrote it: byte strings, NumPy under its old name."""
    stored = bytearray(b"\x80\x02}(")

    def text(value):
        raw = value if isinstance(value, bytes) else value.encode()
        stored.extend(b"T" + struct.pack("<i", len(raw)) + raw)

    for key, value in values.items():
        text(key)
        if isinstance(value, np.ndarray):
            stored.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85")
            text("b")
            stored.extend(b"\x87R(K\x01J" + struct.pack("<i", value.shape[0]))
            stored.extend(b"J" + struct.pack("<i", value.shape[1]) + b"\x86cnumpy\ndtype\n")
            text("u1")
            stored.extend(b"K\x00K\x01\x87R(K\x03")
            text("|")
            stored.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
            text(value.tobytes())
            stored.extend(b"tb")
        else:
            stored.extend(b"](")
            for entry in value:
                if isinstance(entry, str):
                    text(entry)
                else:
                    stored.extend(b"K" + bytes([entry]))
            stored.extend(b"e")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(stored + b"u."))


TEN = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


def cifar10_files(folder, write=python2):
    rows, labels = pixels(13, 3072), np.arange(13) % 10
    cuts = [0, 2, 4, 5, 7, 10, 13]
    for name, first, last in zip(TEN, cuts, cuts[1:], strict=False):
        write(folder / name, {"data": rows[first:last], "labels": labels[first:last].tolist()})
    return rows, labels


def stl10_part(folder, part, count, labels=None, seed=0):
    folder.mkdir(exist_ok=True)
    images = pixels(count, 96, 96, 3, seed=seed)
    (folder / f"{part}_X.bin").write_bytes(images.transpose(0, 3, 2, 1).tobytes())
    if labels is not None:
        (folder / f"{part}_y.bin").write_bytes(bytes(labels))
    return images


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        contiguous = {"planarconfig": "contig"} if values.ndim == 3 else {}
        tifffile.imwrite(path, values, photometric="minisblack", **contiguous)
    else:
        Image.fromarray(values).save(path)


def gdal_tiff(path, values, mask=None, **options):
    """A TIFF with a place by GDAL, whose creation options these are, of `[h, w]` or `[h, w, c]`.

    `mask` says which pixels hold data, within the file.
    """
    values = values if values.ndim == 3 else values[..., None]
    height, width, count = values.shape
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(0.5, 0, 500000, 0, -0.5, 5800000)}
    size = {"height": height, "width": width, "count": count, "dtype": values.dtype.name}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", **{**size, **place, **options}) as file,
    ):
        file.write(values.transpose(2, 0, 1))
        if mask is not None:
            file.write_mask(mask)


def png(path, values, bits=16, packed=None):
    """A PNG of 16 bits and 1 to 4 channels, or of rows packed by the caller into `bits` a pixel."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width, *channels = values.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels[0] if channels else 1]
    rows = values.astype(">u2") if packed is None else packed
    stored = b"".join(b"\0" + row.tobytes() for row in rows)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(stored))
        + chunk(b"IEND", b"")
    )
