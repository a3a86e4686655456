// The pictures with the groups in colour over them.
async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function blobUrl(uri) {
  const [head, body] = uri.split(",");
  const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] }));
}

function rgbOf(colour) {
  const n = parseInt(colour.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

// The colours of the overlay by cluster, as bytes of red, green, blue and opacity; 255 is no data.
function overlayTable(app, selected, opacity, only) {
  const table = new Uint8ClampedArray(256 * 4);
  for (let c = 0; c < app.tree.k; c++) {
    const [r, g, b] = rgbOf(app.state.colourOf(app.state.groupOf[c]));
    if (only && !selected[c]) table.set([16, 18, 22, 205], 4 * c);
    else table.set([r, g, b, Math.round(255 * opacity * (only ? 0.35 : 1))], 4 * c);
  }
  if (only) table.set([16, 18, 22, 205], 4 * 255);
  return new Uint32Array(table.buffer);
}

function paintOverlay(image, labels, table, selected) {
  const { width, height } = image;
  const out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = table[labels[i]];
  // A light line within the selected, a dark one around it: seen on any picture.
  const light = 0xffffffff, dark = 0xe0181410;
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      const own = selected[labels[i]];
      if ((x > 0 && selected[labels[i - 1]] !== own) || (x + 1 < width && selected[labels[i + 1]] !== own) ||
          (y > 0 && selected[labels[i - width]] !== own) || (y + 1 < height && selected[labels[i + width]] !== own))
        out[i] = own ? light : dark;
    }
}

function makePictures(app) {
  const { content, state } = app;
  const gallery = content.examples.every((example) => example.labels === null);
  const canvas = el("canvas"), pins = el("pins"), hover = el("hover"), thumbs = el("thumbs");
  let shown = 0;
  let round = 0;
  el("pictures").hidden = !content.examples.length;
  el("pictures").classList.toggle("gallery", gallery);
  el("viewer").hidden = el("over").hidden = gallery;

  const pictures = content.examples.map((example, index) => {
    const whole = make("canvas", { width: example.width, height: example.height });
    const small = make("canvas", {});
    const scale = Math.min(1, (gallery ? 220 : 176) / Math.max(example.width, example.height));
    small.width = Math.max(1, Math.round(example.width * scale));
    small.height = Math.max(1, Math.round(example.height * scale));
    const button = make("button", { type: "button", className: "thumb", title: example.name }, small);
    button.setAttribute("aria-label", `Picture ${example.name}`);
    button.addEventListener("click", () => {
      if (gallery) app.select(state.groupOf[example.cluster]);
      else show(index);
    });
    thumbs.append(button);
    const picture = { example, whole, small, button, photo: new Image(), labels: null, counts: new Float64Array(256) };
    picture.overlay = make("canvas", { width: example.width, height: example.height });
    return picture;
  });

  async function load() {
    const broken = [];
    await Promise.all(pictures.map(async (picture) => {
      picture.photo.src = blobUrl(picture.example.image);
      await picture.photo.decode();
      if (picture.example.labels === null) return;
      try { count(picture, await inflate(picture.example.labels)); } catch { broken.push(picture); }
    }));
    if (broken.length) app.say("This browser cannot show the clusters on pictures (no DecompressionStream): use a newer one.");
  }

  function count(picture, labels) {
    picture.labels = labels;
    picture.counts = new Float64Array(256);
    for (let i = 0; i < labels.length; i++) picture.counts[labels[i]]++;
  }
  // Where the picture in view has nothing of a node, go to the one that has most.
  function find(node) {
    if (gallery || !pictures.length) return;
    const of = ({ counts }) => app.tree.leaves[node].reduce((sum, c) => sum + counts[c], 0);
    if (of(pictures[shown]) > 0) return;
    const most = pictures.reduce((best, picture) => (of(picture) > of(best) ? picture : best));
    if (of(most) > 0) show(pictures.indexOf(most));
  }

  function compose(picture, table, selected) {
    const { whole, overlay, photo, labels } = picture;
    if (!photo.complete) return;
    const context = whole.getContext("2d");
    context.drawImage(photo, 0, 0, whole.width, whole.height);
    if (labels !== null) {
      const over = overlay.getContext("2d");
      const image = over.createImageData(overlay.width, overlay.height);
      paintOverlay(image, labels, table, selected);
      over.putImageData(image, 0, 0);
      context.drawImage(overlay, 0, 0);
    }
    const small = picture.small.getContext("2d");
    small.imageSmoothingQuality = "high";
    small.drawImage(whole, 0, 0, picture.small.width, picture.small.height);
  }

  // The picture in view at once, the others when there is time.
  function draw() {
    if (!pictures.length) return;
    const mine = ++round;
    const selected = new Uint8Array(256);
    for (const c of app.tree.leaves[app.selected]) selected[c] = 1;
    const opacity = el("opacity").value / 100, only = el("only").checked;
    const table = overlayTable(app, selected, opacity, only);
    const order = [shown, ...pictures.keys()].filter((n, i) => i === 0 || n !== shown);
    const next = () => {
      if (mine !== round || !order.length) return;
      const index = order.shift();
      compose(pictures[index], table, selected);
      if (index === shown) view();
      if (order.length) requestAnimationFrame(next);
    };
    next();
    pictures.forEach(({ button, example }, index) => {
      if (!gallery) { button.setAttribute("aria-current", String(index === shown)); return; }
      button.style.setProperty("--colour", state.colourOf(state.groupOf[example.cluster]));
      button.classList.toggle("selected", selected[example.cluster] === 1);
      button.classList.toggle("dim", only && !selected[example.cluster]);
      button.title = `${example.name}: ${app.title(state.groupOf[example.cluster])}`;
    });
  }

  function view() {
    const { whole, example } = pictures[shown];
    canvas.width = whole.width;
    canvas.height = whole.height;
    canvas.getContext("2d").drawImage(whole, 0, 0);
    el("viewer").style.setProperty("--aspect", `${whole.width} / ${whole.height}`);
    el("picture-name").textContent = gallery ? "" : `${example.name}, ${shown + 1} of ${pictures.length}`;
  }

  function show(index) {
    shown = index;
    view();
    pins.replaceChildren(...content.suggestions.flatMap((place, number) => {
      if (place.example !== index) return [];
      const pin = make("button", { type: "button", className: "pin", textContent: number + 1 });
      pin.style.left = `${(100 * (place.at[1] + 0.5)) / canvas.width}%`;
      pin.style.top = `${(100 * (place.at[0] + 0.5)) / canvas.height}%`;
      pin.title = `Where to label next, ${number + 1}: ${place.reason}`;
      pin.setAttribute("aria-label", pin.title);
      pin.addEventListener("click", () => app.goToPlace(number));
      return [pin];
    }));
    hover.hidden = true;
    draw();
  }

  function clusterAt(event) {
    const { labels } = pictures[shown];
    const box = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
    if (labels === null || x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return 255;
    return labels[y * canvas.width + x];
  }
  canvas.addEventListener("click", (event) => {
    const cluster = clusterAt(event);
    if (cluster === 255) app.say("No data there.");
    else app.select(state.groupOf[cluster], { scroll: true });
  });
  canvas.addEventListener("pointermove", (event) => {
    const cluster = clusterAt(event);
    hover.hidden = cluster === 255 || event.pointerType === "touch";
    if (hover.hidden) return;
    hover.textContent = app.title(state.groupOf[cluster]);
    hover.style.setProperty("--colour", state.colourOf(state.groupOf[cluster]));
    const box = el("viewer").getBoundingClientRect();
    const x = event.clientX - box.left;
    hover.style.left = `${x}px`;
    hover.style.top = `${event.clientY - box.top}px`;
    hover.classList.toggle("left", x > 0.6 * box.width);
  });
  canvas.addEventListener("pointerleave", () => { hover.hidden = true; });

  return { load, draw, show, find };
}
