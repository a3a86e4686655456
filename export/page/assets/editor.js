// The selected group: what it holds, its name and colour, merging and splitting.
function makeEditor(app) {
  const { content, tree, state } = app;
  const name = el("name"), colour = el("colour");
  let written = "";

  // What a node is called where it is no group: the name that all in it share.
  function nameOf(node) {
    const names = new Set(app.clusters(node).map((c) => state.nameOf(state.groupOf[c]) ?? ""));
    return names.size === 1 ? [...names][0] : "";
  }

  function commit() {
    if (name.value === written) return;
    const node = app.selected;
    written = name.value;
    state.setName(node, name.value);
  }

  function draw() {
    const node = app.selected, clusters = app.clusters(node);
    const inside = state.sorted().filter((other) => tree.within(other, node));
    const is = state.isGroup(node);
    el("editor-title").textContent = is ? app.title(node)
      : inside.length ? `${inside.length} groups together` : `Part of ${app.title(state.groupOf[clusters[0]])}`;
    el("editor-about").textContent = `${app.percent(state.share(node))} of the ${content.unit}; ` +
      (clusters.length === 1 ? `cluster ${clusters[0]}`
        : `${clusters.length} clusters: ${clusters.slice(0, 24).join(", ")}${clusters.length > 24 ? ", …" : ""}`);
    el("editor-crops").replaceChildren(...app.crops.of(node, clusters.length === 1 ? 12 : 18));
    written = nameOf(node);
    // Not while somebody types.
    if (document.activeElement !== name || app.moved) name.value = written;
    colour.value = state.colourOf(is ? node : state.groupOf[app.largest(node)]);
    el("side").style.setProperty("--colour", colour.value);
    el("names").replaceChildren(...state.classes().map((one) => make("option", { value: one.name })));
    hint(node, is, inside);
    buttons(node, is);
  }

  function hint(node, is, inside) {
    const guess = is && state.nameOf(node) === undefined ? state.guess(node) : null;
    let text = "";
    if (!is && inside.length) text = "A name given here makes them one group.";
    else if (!is) text = "A name given here splits it off.";
    else if (guess !== null) text = `Without a name it would count as “${guess}”, the nearest in the tree.`;
    el("editor-hint").textContent = text;
    name.placeholder = guess !== null ? `${guess}?` : "road, forest, roof, …";
  }

  function buttons(node, is) {
    const merge = el("merge"), split = el("split");
    const near = tree.nearest(node);
    merge.disabled = is && near === null;
    merge.textContent = is && near !== null ? `Merge with ${app.short(near[1])}` : "Make one group of it";
    split.disabled = !is || tree.halves(node) === null;
    el("unname").disabled = !is || state.nameOf(node) === undefined;
  }

  // With the nearest group in the tree, or, where several are selected together, all of these.
  function merge() {
    const node = app.selected;
    const to = state.isGroup(node) ? tree.nearest(node)[0] : node;
    const lost = new Set(tree.leaves[to].map((c) => state.nameOf(state.groupOf[c])).filter((n) => n !== undefined));
    app.moved = true;
    app.selectQuietly(to);
    state.change(() => { state.group(to); });
    if (lost.size > 1) {
      lost.delete(state.nameOf(to));
      app.say(`Merged; no longer here: ${[...lost].join(", ")}. Undo brings it back.`);
    }
    app.moved = false;
  }
  function split() {
    const [a, b] = tree.halves(app.selected);
    app.selectQuietly(state.share(a) >= state.share(b) ? a : b);
    state.change(() => { state.group(a); });
  }

  el("editor").addEventListener("submit", (event) => {
    event.preventDefault();
    commit();
    app.nextUnnamed(1);
    name.focus();
    name.select();
  });
  name.addEventListener("change", commit);
  colour.addEventListener("input", () => state.setColour(app.selected, colour.value));
  colour.addEventListener("change", () => { state.setColour(app.selected, colour.value); state.stepEnds(); });
  el("merge").addEventListener("click", merge);
  el("split").addEventListener("click", split);
  el("unname").addEventListener("click", () => state.setName(app.selected, ""));
  return { draw, commit, typing: () => document.activeElement === name && name.value !== written };
}
