// Going over an image in windows, so that labels do not depend on how it is cut.
const CORE = 512; // Pixels a side of what is kept of a window, before it is rounded up.

// Rows of windows: [{ top, height, outer: [top, rows], windows: [{ left, width, outer: [left, columns] }] }].
// Cores and what is seen begin at multiples of `align`; `margin` more is seen where there is more.
function rowsOfWindows(height, width, margin, align, core = CORE) {
  core = Math.ceil(core / align) * align;
  margin = Math.ceil(margin / align) * align;
  const cut = (size) => {
    const parts = [];
    for (let first = 0; first < size; first += core) {
      const last = Math.min(size, first + core);
      const from = Math.max(0, first - margin), to = Math.min(size, last + margin);
      parts.push({ first, count: last - first, from, seen: to - from });
    }
    return parts;
  };
  const columns = cut(width);
  return cut(height).map((row) => ({ ...row, columns }));
}

// The part of rows [seen, width, bands] that a window sees.
function cutOut(rows, width, bands, row, column) {
  const pixels = new Float32Array(row.seen * column.seen * bands);
  const line = column.seen * bands;
  for (let y = 0; y < row.seen; y++) {
    const from = (y * width + column.from) * bands;
    pixels.set(rows.subarray(from, from + line), y * line);
  }
  return pixels;
}
