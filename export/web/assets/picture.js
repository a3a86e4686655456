// PNG and JPEG files, decoded by the browser, as raw values of the model's bands.
const LARGEST = 200e6; // Pixels; a picture can only be decoded whole.

// What the header says: the kind, bits a value, whether there is alpha, inks of a JPEG.
function pictureHeader(bytes) {
  const at = (i) => bytes[i] * 256 + bytes[i + 1];
  if (bytes[0] === 0x89 && bytes[1] === 0x50) {
    return { kind: "PNG", type: "image/png", depth: bytes[24], height: at(22), width: at(18) };
  }
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  for (let i = 2; i + 9 < bytes.length && bytes[i] === 0xff;) {
    const marker = bytes[i + 1];
    // Frames are 0xc0 to 0xcf but for tables.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { kind: "JPEG", type: "image/jpeg", depth: bytes[i + 4], inks: bytes[i + 9] };
    }
    i += 2 + at(i + 2);
  }
  return { kind: "JPEG", type: "image/jpeg", depth: 8, inks: 3 };
}

// A source of rows: { width, height, rows(top, count) → Float32Array [count, width, bands], NaN where
// there is no data, notes: lines for the user, place: where it lies, stretch: whether it may be dark }.
async function openPicture(file, header, bands) {
  if (bands !== 1 && bands !== 3) {
    throw new Error(`Expected a GeoTIFF of ${bands} bands, as the model was trained on; received a ${header.kind}, which has 3.`);
  }
  if (header.depth > 8) {
    throw new Error(`Expected 8 bits a value; received a ${header.kind} of ${header.depth}, which browsers cut down. Save it as a TIFF.`);
  }
  if (header.inks === 4) {
    throw new Error("Expected a JPEG of grey or colours; received one of four inks (CMYK). Save it as RGB.");
  }
  let bitmap;
  try {
    // Values as they are stored, whatever profile goes with them; upright by EXIF.
    bitmap = await createImageBitmap(file.slice(0, file.size, header.type), {
      imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none",
    });
  } catch {
    throw new Error(`Expected a ${header.kind} that this browser decodes; received ${file.name}, which is damaged or too large.`);
  }
  const { width, height } = bitmap;
  if (width * height > LARGEST) {
    throw new Error(`Expected at most ${LARGEST / 1e6} megapixels of a ${header.kind}; received ${height} × ${width}. Save it as a tiled TIFF.`);
  }
  const source = { width, height, notes: new Set(), place: null, stretch: false, close: () => bitmap.close() };
  source.rows = async (top, count) => {
    const canvas = new OffscreenCanvas(width, count);
    const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
    context.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
    const { data } = context.getImageData(0, 0, width, count);
    const pixels = new Float32Array(width * count * bands);
    for (let i = 0, from = 0, to = 0; i < width * count; i++, from += 4, to += bands) {
      const alpha = data[from + 3];
      if (alpha > 0 && alpha < 255) {
        source.notes.add("Some pixels are half transparent: browsers round their colours, and labels there may differ.");
      }
      for (let band = 0; band < bands; band++) {
        pixels[to + band] = alpha === 0 ? NaN : bands === 3 ? data[from + band] : brightness(data, from);
      }
    }
    return pixels;
  };
  return source;
}

// ITU-R 601's, in whole numbers, as the training converts colours to grey.
function brightness(values, at) {
  return (19595 * values[at] + 38470 * values[at + 1] + 7471 * values[at + 2] + 32768) >> 16;
}
