// The list of groups with their typical crops, and the list of classes.
function makeCrops(app) {
  const { content, tree } = app;
  const rules = content.clusters.flatMap((cluster, c) => {
    if (!cluster.crops) return [];
    const veil = cluster.veil ? `url("${blobUrl(cluster.veil)}")` : "none";
    return [`.c${c}{--strip:url("${blobUrl(cluster.strip)}");--veil:${veil};background-size:${100 * cluster.crops}% 100%}`];
  });
  document.head.append(make("style", { textContent: rules.join("\n") }));

  function one(c, index) {
    const crop = make("div", { className: `crop c${c}` });
    const count = content.clusters[c].crops;
    if (count > 1) crop.style.backgroundPosition = `${(100 * index) / (count - 1)}% 0`;
    crop.title = `cluster ${c}`;
    return crop;
  }
  // Of all its clusters in turn, the largest first.
  function of(node, most) {
    const clusters = [...app.clusters(node)];
    clusters.sort((a, b) => content.clusters[b].share - content.clusters[a].share);
    const found = [];
    for (let index = 0; found.length < most; index++) {
      const row = clusters.filter((c) => index < content.clusters[c].crops);
      if (!row.length) break;
      found.push(...row.slice(0, most - found.length).map((c) => one(c, index)));
    }
    return found;
  }
  return { of };
}

function makeList(app) {
  const { tree, state } = app;
  const list = el("list");
  const cards = new Map();

  function cardOf(node) {
    if (cards.has(node)) return cards.get(node);
    const swatch = make("span", { className: "swatch" });
    const label = make("span", { className: "label" });
    const share = make("span", { className: "share" });
    const head = make("div", { className: "head" }, swatch, label, share);
    const crops = make("div", { className: "crops" }, ...app.crops.of(node, 5));
    const card = make("div", { className: "card", id: `group-${node}` }, head, crops);
    card.setAttribute("role", "option");
    card.addEventListener("click", () => app.select(node));
    cards.set(node, { card, label, share, node });
    return cards.get(node);
  }

  // Cards stay the same elements: a click that ends in another place than it began is none.
  function draw() {
    const sorted = state.sorted();
    const wanted = sorted.map((node) => cardOf(node).card);
    for (const old of [...list.children]) if (!wanted.includes(old)) old.remove();
    wanted.forEach((card, i) => { if (list.children[i] !== card) list.insertBefore(card, list.children[i] ?? null); });
    let focusable = false;
    for (const node of sorted) {
      const { card, label, share } = cardOf(node);
      const selected = node === app.selected;
      focusable ||= selected;
      label.textContent = app.title(node);
      share.textContent = app.percent(state.share(node));
      card.style.setProperty("--colour", state.colourOf(node));
      card.classList.toggle("unnamed", state.nameOf(node) === undefined);
      card.setAttribute("aria-selected", String(selected));
      card.tabIndex = selected ? 0 : -1;
    }
    if (!focusable && wanted.length) wanted[0].tabIndex = 0;
  }

  function reveal(node, focus) {
    const card = cards.get(node)?.card;
    if (!card) return;
    const box = card.getBoundingClientRect(), outer = list.getBoundingClientRect();
    if (box.top < outer.top) list.scrollTop -= outer.top - box.top + 8;
    else if (box.bottom > outer.bottom) list.scrollTop += box.bottom - outer.bottom + 8;
    if (focus) card.focus({ preventScroll: true });
  }

  function drawClasses() {
    const classes = state.classes();
    el("no-classes").hidden = classes.length > 0;
    el("classes").replaceChildren(...classes.map((one) => {
      const colour = make("input", { type: "color", value: one.colour });
      colour.setAttribute("aria-label", `Colour of ${one.name}`);
      colour.addEventListener("change", () => state.classColour(one.name, colour.value));
      const name = make("input", { type: "text", value: one.name, maxLength: 80 });
      name.setAttribute("aria-label", `Name of the class ${one.name}, for all its groups`);
      name.addEventListener("change", () => { if (!state.renameClass(one.name, name.value)) name.value = one.name; });
      const twin = classes.find((other) => other !== one && other.colour === one.colour);
      const about = `${app.percent(one.share)}, ${app.plural(one.clusters.filter(tree.lives).length, "cluster")}` +
        (twin ? `; in the colour of ${twin.name}` : "");
      return make("li", {}, colour, name, make("span", { className: "share", textContent: about }));
    }));
  }
  return { draw: () => { draw(); drawClasses(); }, reveal };
}
