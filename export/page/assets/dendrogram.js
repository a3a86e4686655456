// The tree as a picture. Heights follow the order of the merges as well as what they lose, so that
// early merges, which lose next to nothing, are told apart.
function makeDendrogram(app) {
  const { content, tree, state } = app;
  const { k } = tree;
    const drawn = tree.order.filter(tree.lives);
  const step = Math.max(26, Math.min(84, 640 / drawn.length));
  const top = 14, tall = 250, foot = 46, side = 16;
  const width = 2 * side + step * drawn.length, height = top + tall + foot;
  const total = content.losses.reduce((sum, loss) => sum + Math.max(0, loss), 0);
  const x = new Array(tree.size), y = new Array(tree.size).fill(top + tall);
  drawn.forEach((c, i) => { x[c] = side + step * (i + 0.5); });
  let lost = 0, joints = 0;
  content.losses.forEach((loss, i) => {
    const node = k + i, [a, b] = tree.children[node];
    lost += Math.max(0, loss);
    if (!tree.lives(a) || !tree.lives(b)) {
      // No joint: the branch goes on.
      const on = tree.lives(a) ? a : b;
      [x[node], y[node]] = [x[on], y[on]];
      return;
    }
    x[node] = (x[a] + x[b]) / 2;
    const rise = 0.55 * (++joints / tree.splits.length) + 0.45 * (total > 0 ? lost / total : 0);
    y[node] = top + tall * (1 - rise);
  });

  const make = (kind, values) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    return element;
  };
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height });
  const line = make("line", { class: "cut", x1: 0, x2: width });
  svg.append(line);
  const parts = [];
  const above = make("g", {});
  for (let node = 0; node < tree.size; node++) {
    const children = tree.children[node];
    if (!tree.lives(node) || (children && !children.every(tree.lives))) continue;
    const part = make("g", { class: "node", "data-node": node });
    if (children) {
      const [a, b] = children;
      part.append(make("path", { d: `M${x[a]} ${y[a]}V${y[node]}H${x[b]}V${y[b]}` }));
      parts.push(part);
    }
    const spot = make("g", { class: "spot", "data-node": node });
    spot.append(make("circle", { class: "reach", cx: x[node], cy: y[node], r: 11 }));
    spot.append(children ? make("circle", { cx: x[node], cy: y[node], r: 5 })
      : make("rect", { x: x[node] - 7, y: y[node] - 7, width: 14, height: 14, rx: 3 }));
    spot.append(make("title", {}));
    if (!children) {
      const number = make("text", { x: x[node], y: y[node] + 21, class: "number" });
      number.textContent = node;
      spot.append(number);
    }
    spot.addEventListener("click", () => app.select(node, { scroll: true }));
    above.append(spot);
  }
  svg.append(...parts, above);
  const bands = make("g", {});
  svg.append(bands);
  el("tree").append(svg);

  function draw() {
    const cut = state.cut();
    // Between the last joint below and the first above.
    const [over, under] = [tree.splits[cut - 2], tree.splits[cut - 1]];
    const at = ((over === undefined ? top : y[over]) + (under === undefined ? top + tall : y[under])) / 2;
    line.setAttribute("y1", at);
    line.setAttribute("y2", at);
    for (const part of svg.querySelectorAll("[data-node]")) {
      const node = Number(part.dataset.node);
      const group = state.groupOf[tree.living[node][0]];
      const inside = tree.within(node, group);
      part.style.setProperty("--colour", inside ? state.colourOf(group) : "var(--faint)");
      part.classList.toggle("group", node === tree.lowest(group));
      part.classList.toggle("selected", tree.within(node, app.selected));
      part.classList.toggle("here", node === tree.lowest(app.selected));
      if (!part.classList.contains("spot")) continue;
      const loss = node >= k ? `; merging there loses ${content.losses[node - k].toPrecision(2)} nats` : "";
      part.querySelector("title").textContent =
        `${inside ? app.title(group) : app.plural(tree.living[node].length, "cluster")}, ${app.percent(state.share(node))}${loss}`;
    }
    bands.replaceChildren(...state.sorted().flatMap((node) => {
      const places = tree.living[node].map((c) => x[c]);
      const from = Math.min(...places) - step / 2 + 2, to = Math.max(...places) + step / 2 - 2;
      const band = make("rect", { x: from, y: height - 18, width: to - from, height: 6, rx: 3 });
      band.style.fill = state.colourOf(node);
      const name = state.nameOf(node);
      if (name === undefined) { band.style.opacity = 0.35; return [band]; }
      const room = Math.floor((to - from) / 7);
      if (room < 4) return [band];
      const text = make("text", { x: (from + to) / 2, y: height - 1, class: "name" });
      text.textContent = name.length > room ? `${name.slice(0, room - 1)}…` : name;
      return [band, text];
    }));
  }
  return { draw };
}
