// A GeoTIFF of labels, with their colours, no data and the place of the image that they are of.
const SHORT = 3, LONG = 4, DOUBLE = 12, ASCII = 2;
const SIZES = { [ASCII]: 1, [SHORT]: 2, [LONG]: 4, [DOUBLE]: 8 };

async function placedTiff(labels, width, height, place, colours) {
  const packed = new Blob([labels]).stream().pipeThrough(new CompressionStream("deflate"));
  const body = new Uint8Array(await new Response(packed).arrayBuffer());
  const table = new Array(768).fill(0); // All reds, then greens, then blues, of 16 bits.
  colours.forEach((colour, number) => colour.forEach((value, i) => { table[256 * i + number] = 257 * value; }));
  const entries = [
    [256, LONG, [width]], [257, LONG, [height]], [258, SHORT, [8]], [259, SHORT, [8]], [262, SHORT, [3]],
    [273, LONG, [8]], [277, SHORT, [1]], [278, LONG, [height]], [279, LONG, [body.length]], [320, SHORT, table],
    [33550, DOUBLE, place.ModelPixelScale], [33922, DOUBLE, place.ModelTiepoint],
    [34264, DOUBLE, place.ModelTransformation], [34735, SHORT, place.keys], [34736, DOUBLE, place.GeoDoubleParams],
    [34737, ASCII, place.GeoAsciiParams && ended(place.GeoAsciiParams)], [42113, ASCII, ended("255")],
  ].filter(([, , values]) => values);
  // First the labels, after the 8 bytes of the header; then the directory; then what is too long for it.
  const start = 8 + body.length + (body.length % 2);
  let end = start + 2 + 12 * entries.length + 4;
  const places = entries.map(([, type, values]) => {
    const size = SIZES[type] * values.length;
    if (size <= 4) return null;
    const here = end;
    end += size + (size % 2);
    return here;
  });
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  bytes.set([0x49, 0x49, 42, 0]);
  view.setUint32(4, start, true);
  bytes.set(body, 8);
  view.setUint16(start, entries.length, true);
  entries.forEach(([number, type, values], i) => {
    const at = start + 2 + 12 * i;
    view.setUint16(at, number, true);
    view.setUint16(at + 2, type, true);
    view.setUint32(at + 4, values.length, true);
    if (places[i] !== null) view.setUint32(at + 8, places[i], true);
    values.forEach((value, n) => put(view, type, (places[i] ?? at + 8) + n * SIZES[type], value));
  });
  return new Blob([bytes], { type: "image/tiff" });
}

const ended = (text) => [...new TextEncoder().encode(text.replace(/\0*$/, "")), 0];

function put(view, type, at, value) {
  if (type === DOUBLE) view.setFloat64(at, value, true);
  else if (type === LONG) view.setUint32(at, value, true);
  else if (type === SHORT) view.setUint16(at, value, true);
  else view.setUint8(at, value);
}
