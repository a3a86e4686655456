// The page: an image in, its map, shares and downloads out. The work is the worker's.
function el(id) { return document.getElementById(id); }
function make(kind, values, ...inside) {
  const element = Object.assign(document.createElement(kind), values);
  element.append(...inside);
  return element;
}
function say(text, warning = false) {
  el("status").textContent = text;
  el("status").classList.toggle("warning", warning);
}
function percent(share) {
  if (share === 0) return "0 %";
  return share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}
function lasting(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

let card = null, worker = null, viewer = null, last = null, busy = false;

async function begin() {
  if (location.protocol === "file:") {
    throw new Error("Opened from the disk a browser runs no model. Serve this folder instead: run “python3 -m http.server” in it, then open http://localhost:8000.");
  }
  const [found, runtime, source] = await Promise.all([
    get("model.json").then((answer) => answer.json()), get("runtime.json").then((answer) => answer.json()),
    get("iic_tf_worker.js").then((answer) => answer.text()),
  ]);
  card = found;
  describe(runtime);
  viewer = makeViewer(card);
  listClasses(null);
  // Of a blob: it is under this page's policy, which a worker from the server would not be.
  const blob = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  worker = new Worker(blob, { type: "module" });
  worker.onmessage = ({ data }) => answers[data.kind](data);
  worker.onerror = (error) => { failed(error.message ?? "the worker does not start"); };
  // Memory that threads share is there for isolated pages alone.
  const threads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  worker.postMessage({ kind: "load", base: location.href, files: runtime.files, threads });
}

async function get(name) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`Expected ${name} beside this page; received ${answer.status}.`);
  return answer;
}

function describe(runtime) {
  const bands = card.bands.map(({ name, low, high }) => `${name} (${low} to ${high})`).join(", ");
  const colours = [1, 3].includes(card.bands.length);
  el("kinds").textContent = colours ? "A PNG, a JPEG or a GeoTIFF." : `A GeoTIFF of ${card.bands.length} bands, in the order of the training.`;
  el("model").textContent = card.classes.length < 7 ? card.classes.map(({ name }) => name).join(", ") : `${card.classes.length} classes`;
  const lines = [
    ["Bands", bands],
    ["Pixels", card.resolution ? `of ${card.resolution.toPrecision(2)} m` : null],
    ["Training", [card.recipe, card.method, card.trained?.slice(0, 10)].filter(Boolean).join(", ")],
    ["Model", card.model],
    ["Made by", card.made_by],
    ["Runs by", `${runtime.packages}${runtime.offline ? ", from this folder" : ", from a CDN, checked by their hashes"}`],
  ];
  for (const [term, text] of lines) if (text) el("about").append(make("dt", { textContent: term }), make("dd", { textContent: text }));
}

// Legend and class switches; with shares once there are counts.
function listClasses(counts) {
  const total = counts ? counts.reduce((a, b) => a + b, 0) : 0, known = total - (counts?.[NO_DATA] ?? 0);
  const off = new Set([...document.querySelectorAll("#legend input:not(:checked)")].map((box) => box.value));
  const entries = card.classes.map(({ number, name, colour }) => {
    const box = make("input", { type: "checkbox", value: number, checked: !off.has(String(number)) });
    box.addEventListener("change", viewer.draw);
    const swatch = make("span", { className: "swatch" });
    swatch.style.setProperty("--colour", colour);
    const share = make("span", { className: "share", textContent: counts ? percent(known ? counts[number] / known : 0) : "" });
    return make("li", {}, make("label", {}, box, swatch, make("span", { className: "name", textContent: name }), share));
  });
  if (counts?.[NO_DATA]) {
    const share = make("span", { className: "share", textContent: `${percent(counts[NO_DATA] / total)} of all` });
    entries.push(make("li", {}, make("label", {}, make("span", {}), make("span", { className: "swatch none" }), make("span", { className: "name", textContent: "no data" }), share)));
  }
  el("legend").replaceChildren(...entries);
}

function choose(file) {
  if (!file || !worker || el("choose").disabled) return;
  document.body.classList.add("filled");
  last = null;
  el("downloads").hidden = true;
  el("viewer").hidden = true;
  el("notes").replaceChildren();
  el("image-name").textContent = file.name;
  listClasses(null);
  work(true);
  say(`Reading ${file.name}…`);
  worker.postMessage({ kind: "label", file });
}

function work(on) {
  busy = on;
  el("work").hidden = !on;
  el("meter").style.width = "0";
}

function failed(message) {
  work(false);
  say(message, true);
}

const answers = {
  loaded() {
    el("choose").disabled = false;
    say("Ready.");
    document.body.dataset.ready = "";
  },
  progress({ share, seconds, pixels }) {
    if (!busy) return;
    el("meter").style.width = `${100 * share}%`;
    if (share === 0) return;
    say(`${Math.round(100 * share)} %, ${lasting((seconds / share) * (1 - share))} left, ${(pixels / 1e6 / seconds).toFixed(2)} megapixels a second`);
  },
  labelled(found) {
    work(false);
    last = found;
    listClasses(found.counts);
    viewer.show(found.preview);
    el("downloads").hidden = false;
    el("tiff").hidden = !found.placed;
    el("notes").replaceChildren(...found.notes.map((textContent) => make("li", { textContent })));
    const smaller = found.preview.factor > 1 ? ` Shown at 1 : ${found.preview.factor}; downloads are of full size.` : "";
    say(`${found.height} × ${found.width} pixels in ${found.seconds.toFixed(1)} s.${smaller}`);
  },
  file({ format, file }) { save(file, `_labels.${format === "png" ? "png" : "tif"}`); },
  error({ during, message }) {
    failed(message);
    if (during === "load") el("choose").disabled = true;
  },
};

function save(blob, ending) {
  const link = make("a", { href: URL.createObjectURL(blob), download: last.name.replace(/\.[^.]*$/, "") + ending });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// As a spreadsheet reads it: a name may hold commas and quotes.
function sharesAsCsv() {
  const known = last.counts.reduce((a, b) => a + b, 0) - last.counts[NO_DATA];
  const rows = card.classes.map(({ number, name }) =>
    [number, `"${name.replaceAll('"', '""')}"`, last.counts[number], known ? (last.counts[number] / known).toFixed(6) : 0].join(","));
  return new Blob([["number,name,pixels,share", ...rows, ""].join("\n")], { type: "text/csv" });
}

el("choose").addEventListener("click", () => el("file").click());
el("file").addEventListener("change", () => { choose(el("file").files[0]); el("file").value = ""; });
el("stop").addEventListener("click", () => { worker.postMessage({ kind: "stop" }); failed("Stopped."); });
el("opacity").addEventListener("input", () => viewer?.draw());
el("sure").addEventListener("change", () => { el("scale").hidden = !el("sure").checked; viewer?.draw(); });
for (const format of ["png", "tiff"]) {
  el(format).addEventListener("click", () => worker.postMessage({ kind: "download", format }));
}
el("csv").addEventListener("click", () => save(sharesAsCsv(), "_shares.csv"));
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dragged"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dragged"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragged");
  choose(event.dataTransfer.files[0]);
});
begin().catch((error) => failed(error.message));
