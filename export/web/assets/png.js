// A palette PNG of labels: the numbers of classes as they are, their colours, 255 transparent.
const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function chunk(name, body) {
  const bytes = new Uint8Array(body.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(body, 8);
  let crc = 0xffffffff;
  for (let i = 4; i < bytes.length - 4; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  view.setUint32(bytes.length - 4, ~crc >>> 0);
  return bytes;
}

// `colours`: [r, g, b] by number.
async function palettePng(labels, width, height, colours) {
  const rows = new Uint8Array((width + 1) * height); // Each begins with its filter, 0.
  for (let y = 0; y < height; y++) rows.set(labels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const body = new Uint8Array(await new Response(packed).arrayBuffer());
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, 3, 0, 0, 0], 8); // 8 bits, by a palette
  const palette = new Uint8Array(768);
  colours.forEach((colour, number) => palette.set(colour, 3 * number));
  const opaque = new Uint8Array(256).fill(255);
  opaque[255] = 0;
  const start = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  const parts = [start, chunk("IHDR", head), chunk("PLTE", palette), chunk("tRNS", opaque)];
  return new Blob([...parts, chunk("IDAT", body), chunk("IEND", new Uint8Array(0))], { type: "image/png" });
}
