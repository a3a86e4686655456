// The image with its map over it, at most 2000 pixels a side.
const NO_DATA = 255;

function rgbOf(colour) {
  const n = parseInt(colour.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

// The image as bytes: what most of its values use becomes black to white; no data is transparent.
function imageBytes({ image, width, height, stretch }) {
  const out = new Uint8ClampedArray(4 * width * height);
  const [low, high] = stretch ? usedRange(image) : [0, 1];
  for (let i = 0; i < width * height; i++) {
    for (let band = 0; band < 3; band++) out[4 * i + band] = (255 * (image[3 * i + band] - low)) / (high - low);
    out[4 * i + 3] = Number.isNaN(image[3 * i]) ? 0 : 255;
  }
  return out;
}

// 0 to 1, unless hardly any of that is used.
function usedRange(image) {
  const step = Math.max(1, Math.floor(image.length / 30000));
  const some = [];
  for (let i = 0; i < image.length; i += step) if (!Number.isNaN(image[i])) some.push(image[i]);
  if (!some.length) return [0, 1];
  some.sort((a, b) => a - b);
  const low = Math.max(0, some[Math.floor(0.01 * some.length)]), high = Math.min(1, some[Math.floor(0.99 * (some.length - 1))]);
  return high - low > 0.5 || high <= low ? [0, 1] : [low, high];
}

// From unsure, bright, to sure, dark: what is to be looked at stands out.
const SURE = [[250, 230, 60], [35, 140, 140], [60, 10, 85]];
function sureColour(share) {
  const [from, to, part] = share < 0.5 ? [SURE[0], SURE[1], 2 * share] : [SURE[1], SURE[2], 2 * share - 1];
  return from.map((value, i) => value + part * (to[i] - value));
}

function makeViewer(card) {
  const canvas = el("canvas"), hover = el("hover"), viewer = el("viewer");
  const byNumber = new Map(card.classes.map((one) => [one.number, one]));
  let preview = null, bytes = null;
  const least = Math.round(100 / card.classes.length);
  el("scale").dataset.from = `${least} %`;
  el("scale").dataset.to = "100 %";

  function show(found) {
    preview = found;
    bytes = imageBytes(found);
    canvas.width = found.width;
    canvas.height = found.height;
    viewer.hidden = false;
    viewer.classList.toggle("small", Math.max(found.width, found.height) < 400);
    draw();
  }

  // `on`: the numbers of the classes that are switched on.
  function draw() {
    if (preview === null) return;
    const opacity = el("opacity").value / 100, sure = el("sure").checked;
    const on = new Set([...document.querySelectorAll("#legend input:checked")].map((box) => Number(box.value)));
    const table = new Float32Array(256 * 4);
    for (const { number, colour } of card.classes) table.set([...rgbOf(colour), on.has(number) ? opacity : 0], 4 * number);
    const shades = Array.from({ length: 101 }, (_, percent) => sureColour(Math.max(0, (percent - least) / (100 - least))));
    const image = new ImageData(Uint8ClampedArray.from(bytes), preview.width, preview.height);
    const { labels } = preview, { data } = image;
    for (let i = 0; i < labels.length; i++) {
      const at = 4 * labels[i], share = table[at + 3];
      if (share === 0) continue;
      const shade = sure ? shades[preview.sure[i]] : null;
      for (let band = 0; band < 3; band++) {
        const colour = shade ? shade[band] : table[at + band];
        data[4 * i + band] += share * (colour - data[4 * i + band]);
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * preview.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * preview.height);
    const at = y * preview.width + x;
    const one = byNumber.get(preview.labels[at]);
    hover.hidden = !(x >= 0 && y >= 0 && x < preview.width && y < preview.height);
    hover.textContent = one ? `${one.name}, ${preview.sure[at]} % sure` : "no data";
    hover.style.setProperty("--colour", one?.colour ?? "transparent");
    hover.style.left = `${event.clientX - box.left}px`;
    hover.style.top = `${event.clientY - box.top}px`;
    hover.classList.toggle("left", event.clientX - box.left > 0.6 * box.width);
  });
  canvas.addEventListener("pointerleave", () => { hover.hidden = true; });
  return { show, draw };
}
