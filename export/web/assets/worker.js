// The worker: loads the model, labels an image window by window, and keeps its labels for downloads.
const NO_DATA = 255;
const PREVIEW = 2000; // Longest side of what is shown, pixels.

let card = null, session = null, kept = null, job = 0;

// Integrity holds for files of either place: what has another hash is not run.
async function fetched(base, { url, integrity }) {
  const answer = await fetch(new URL(url, base), { integrity, credentials: "omit" }).catch(() => null);
  if (!answer?.ok) throw new Error(`Expected ${url} as it was exported; received nothing, or another file.`);
  return answer;
}

async function load({ base, files, threads }) {
  const [runtime, wasm, geotiff] = files;
  const source = async (file) => {
    const text = await (await fetched(base, file)).blob();
    return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  };
  card = await (await fetched(base, { url: "model.json" })).json();
  const model = fetched(base, { url: card.whole_scene ? "model.window.onnx" : "model.onnx" });
  const binary = fetched(base, wasm);
  await import(await source(geotiff));
  self.ort = await import(await source(runtime));
  // A .wasm file can't say its hash where it is used; fetched here it was checked.
  ort.env.wasm.wasmBinary = await (await binary).arrayBuffer();
  ort.env.wasm.numThreads = threads;
  const bytes = new Uint8Array(await (await model).arrayBuffer());
  session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
}

async function open(file) {
  const header = new Uint8Array(await file.slice(0, 1 << 20).arrayBuffer());
  const bands = card.bands.length;
  const found = pictureHeader(header);
  if (found) return openPicture(file, found, bands);
  const order = String.fromCharCode(header[0], header[1]);
  if ((order === "II" || order === "MM") && [42, 43].includes(header[order === "II" ? 2 : 3])) {
    const numbers = card.bands.map((band) => band.number);
    return openTiff(file, bands, numbers.every((number) => number > 0) ? numbers : null);
  }
  throw new Error(`Expected a PNG, a JPEG or a TIFF; received ${file.name}, which is something else.`);
}

// The graph for windows gets the scene's sums, and where the core is in what it sees.
async function run(pixels, row, column, sums) {
  const inputs = { pixels: new ort.Tensor("float32", pixels, [1, row.seen, column.seen, card.bands.length]) };
  if (card.whole_scene) {
    const core = [row.first - row.from, column.first - column.from, row.count, column.count];
    inputs.sums = new ort.Tensor("float32", Float32Array.from(sums), [1, sums.length]);
    inputs.core = new ort.Tensor("int32", Int32Array.from(core), [4]);
  }
  return session.run(inputs);
}

// One pass over the image; `take` gets what the model says of each window.
async function goOver(source, sums, mine, progress, take) {
  const bands = card.bands.length;
  const steps = rowsOfWindows(source.height, source.width, card.margin, card.align);
  for (const row of steps) {
    const rows = await source.rows(row.from, row.seen);
    for (const column of row.columns) {
      if (mine !== job) return false;
      const pixels = cutOut(rows, source.width, bands, row, column);
      const found = await run(pixels, row, column, sums);
      take(found, row, column, pixels);
      progress(row.count * column.count);
      for (const name of Object.keys(found)) found[name].dispose();
      // Messages come in between: another image, or an end.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  return true;
}

async function sumsOf(source, mine, progress) {
  const count = session.inputMetadata.find(({ name }) => name === "sums").shape.at(-1);
  const total = new Float64Array(count);
  const none = new Float32Array(count);
  const whole = await goOver(source, none, mine, progress, (found) => {
    found.own_sums.data.forEach((value, i) => { total[i] += value; });
  });
  return whole ? total : null;
}

async function label({ file }) {
  const mine = ++job;
  kept = null;
  const started = performance.now();
  const source = await open(file);
  const { width, height } = source;
  const passes = card.whole_scene ? 2 : 1;
  let done = 0;
  const progress = (pixels) => {
    done += pixels;
    const seconds = (performance.now() - started) / 1000;
    postMessage({ kind: "progress", share: done / (width * height * passes), seconds, pixels: done / passes });
  };
  progress(0);
  const sums = card.whole_scene ? await sumsOf(source, mine, progress) : null;
  if (mine !== job) return;
  const result = makeResult(width, height, source.stretch);
  const take = (found, row, column, pixels) => result.add(found, row, column, pixels);
  const whole = await goOver(source, sums, mine, progress, take);
  source.close();
  if (!whole) return;
  kept = { labels: result.labels, width, height, place: source.place };
  for (const line of result.notes(source)) source.notes.add(line);
  const seconds = (performance.now() - started) / 1000;
  const { preview, counts } = result;
  postMessage({ kind: "labelled", name: file.name, width, height, seconds, counts, preview, notes: [...source.notes], placed: Boolean(source.place) });
}

// Labels at full size, and all else at the size that is shown.
function makeResult(width, height, stretch) {
  const bands = card.bands.length, classes = card.classes.length;
  const factor = Math.max(1, Math.ceil(Math.max(width, height) / PREVIEW));
  const wide = Math.ceil(width / factor), high = Math.ceil(height / factor);
  const labels = new Uint8Array(width * height);
  const counts = new Float64Array(256);
  const preview = {
    factor, width: wide, height: high, labels: new Uint8Array(wide * high), sure: new Uint8Array(wide * high),
    // Up to three bands, in 0 to 1, and whether they may be made brighter to be seen.
    image: new Float32Array(3 * wide * high), stretch,
  };
  let beyond = 0, values = 0;

  function add({ labels: found, probabilities }, row, column, pixels) {
    for (let y = 0; y < row.count; y++) {
      for (let x = 0; x < column.count; x++) {
        const at = (row.first - row.from + y) * column.seen + column.first - column.from + x;
        const number = found.data[at];
        const one = number === card.no_data ? NO_DATA : number;
        const top = row.first + y, left = column.first + x;
        labels[top * width + left] = one;
        counts[one]++;
        if (isMiddle(top, height) && isMiddle(left, width)) {
          show(Math.floor(top / factor) * wide + Math.floor(left / factor), one, probabilities.data, pixels, at);
        }
      }
    }
  }
  // Of each box of factor × factor pixels the one in the middle is shown.
  function isMiddle(place, size) {
    const first = place - (place % factor);
    return place === Math.min(first + (factor >> 1), size - 1);
  }
  function show(to, one, probabilities, pixels, at) {
    preview.labels[to] = one;
    let best = 0;
    for (let k = 0; k < classes; k++) best = Math.max(best, probabilities[at * classes + k]);
    preview.sure[to] = Math.round(100 * best);
    for (let band = 0; band < bands; band++) {
      const { low, high } = card.bands[band];
      const value = pixels[at * bands + band];
      if (!Number.isNaN(value)) {
        values++;
        if (value < low || value > high) beyond++;
      }
    }
    for (let band = 0; band < 3; band++) {
      const { low, high } = card.bands[bands < 3 ? 0 : band];
      preview.image[3 * to + band] = (pixels[at * bands + (bands < 3 ? 0 : band)] - low) / (high - low);
    }
  }
  function notes(source) {
    const lines = [];
    if (values === 0) lines.push("No pixel holds data.");
    else if (beyond / values > 0.01) {
      lines.push(`${Math.round((100 * beyond) / values)} % of the values lie beyond the range that the model was trained on and are cut off: are these the same kind of images?`);
    }
    const { resolution } = card, pixel = source.place?.pixel;
    if (resolution && pixel && (pixel > 1.5 * resolution || resolution > 1.5 * pixel)) {
      lines.push(`The model was trained on pixels of ${resolution.toPrecision(2)} m; these have ${pixel.toPrecision(2)} m.`);
    }
    return lines;
  }
  return { labels, counts, preview, add, notes };
}

function coloursByNumber() {
  const colours = [];
  for (const { number, colour } of card.classes) {
    const n = parseInt(colour.slice(1), 16);
    colours[number] = [n >> 16, (n >> 8) & 255, n & 255];
  }
  return colours;
}

async function download({ format }) {
  const { labels, width, height, place } = kept;
  const file = format === "png" ? await palettePng(labels, width, height, coloursByNumber())
    : await placedTiff(labels, width, height, place, coloursByNumber());
  postMessage({ kind: "file", format, file });
}

const tasks = { load, label, download, stop() { job++; } };
onmessage = async ({ data }) => {
  const mine = data.kind === "label" ? job + 1 : job;
  try {
    await tasks[data.kind](data);
    if (data.kind === "load") postMessage({ kind: "loaded" });
  } catch (error) {
    if (mine === job) postMessage({ kind: "error", during: data.kind, message: error.message ?? String(error) });
  }
};
