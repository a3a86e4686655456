// What belongs together, and the keyboard.
function el(id) { return document.getElementById(id); }
function make(kind, values, ...inside) {
  const element = Object.assign(document.createElement(kind), values);
  element.append(...inside);
  return element;
}

const content = JSON.parse(el("content").textContent);
const app = { content, selected: 0, moved: false };
const some = content.clusters.some((cluster) => cluster.share > 0);
app.tree = makeTree(content.clusters.length, content.merges,
  content.clusters.map((cluster) => !some || cluster.share > 0));
app.state = makeState(content, app.tree, () => changed());
const { tree, state } = app;

const alive = tree.living[tree.root].length;
const whole = state.share(tree.root) || 1;
app.largest = (node) =>
  tree.leaves[node].reduce((best, c) => (content.clusters[c].share > content.clusters[best].share ? c : best));
app.plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
app.percent = (share) => {
  const hundred = (100 * share) / whole;
  return hundred >= 9.5 ? `${Math.round(hundred)} %` : hundred >= 0.05 ? `${hundred.toFixed(1)} %` : hundred > 0 ? "< 0.1 %" : "0 %";
};
// Those that occur; of a part of the tree without any, all.
app.clusters = (node) => (tree.lives(node) ? tree.living[node] : tree.leaves[node]);
app.short = (node) => {
  const clusters = app.clusters(node);
  const names = [...new Set(clusters.map((c) => state.nameOf(state.groupOf[c])))].filter((n) => n !== undefined);
  if (names.length) return `“${names[0]}”${names.length > 1 ? ` and ${names.length - 1} more` : ""}`;
  return clusters.length < 4 ? `${clusters.length > 1 ? "clusters" : "cluster"} ${clusters.join(", ")}`
    : `${clusters.length} clusters`;
};
app.title = (node) => {
  const clusters = app.clusters(node);
  return state.nameOf(node) ?? (clusters.length === 1 ? `Cluster ${clusters[0]}`
    : `Clusters ${clusters.slice(0, 4).join(", ")}${clusters.length > 4 ? ", …" : ""}`);
};
app.say = (text) => { el("status").textContent = text; };
app.progress = () => {
  const classes = state.classes();
  const named = classes.reduce((sum, one) => sum + one.clusters.filter(tree.lives).length, 0);
  const share = classes.reduce((sum, one) => sum + one.share, 0) / whole;
  // All is said only of all.
  const hundred = named === alive ? 100 : Math.min(99, Math.round(100 * share));
  return `${named} of ${alive} clusters named, ${hundred} % of the ${content.unit}`;
};

app.crops = makeCrops(app);
app.pictures = makePictures(app);
const editor = makeEditor(app);
const list = makeList(app);
const dendrogram = makeDendrogram(app);
const places = makePlaces(app);
const storage = makeStorage(app);
app.goToPlace = (number) => places.go(number);

function draw() {
  const share = state.classes().reduce((sum, one) => sum + one.share, 0) / whole;
  el("progress").textContent = app.progress();
  el("meter").style.width = `${100 * share}%`;
  el("undo").disabled = !state.canUndo();
  el("redo").disabled = !state.canRedo();
  el("download").setAttribute("aria-disabled", String(state.classes().length < 2));
  el("groups").value = state.cut();
  const groups = state.sorted().length;
  el("groups-out").textContent = groups === state.cut() ? groups : `${groups}, cut at ${state.cut()}`;
  editor.draw();
  list.draw();
  dendrogram.draw();
  places.draw();
  app.pictures.draw();
}
function changed() {
  storage.keep();
  draw();
}

app.selectQuietly = (node) => { app.selected = node; };
app.select = (node, { scroll = true, focus = false } = {}) => {
  if (editor.typing()) editor.commit();
  app.selected = node;
  app.moved = true;
  draw();
  app.moved = false;
  app.pictures.find(node);
  if (scroll) list.reveal(node, focus);
};
// After undo or the slider, what was selected may be no group any more.
function selectGroup() {
  if (!state.isGroup(app.selected)) app.selected = state.groupOf[app.largest(app.selected)];
  app.moved = true;
  draw();
  app.moved = false;
  list.reveal(app.selected, false);
}
function along(step, wanted, focus) {
  const sorted = state.sorted();
  const here = sorted.indexOf(state.isGroup(app.selected) ? app.selected : state.groupOf[app.largest(app.selected)]);
  for (let n = 1; n <= sorted.length; n++) {
    const node = sorted[(here + step * n + n * sorted.length) % sorted.length];
    if (wanted(node)) { app.select(node, { focus }); return true; }
  }
  return false;
}
app.nextUnnamed = (step, focus = false) => {
  if (!along(step, (node) => state.nameOf(node) === undefined, focus))
    app.say("All groups have names. Move the slider for finer groups, or download classes.yaml.");
};

function undo() { if (state.undo()) selectGroup(); }
function redo() { if (state.redo()) selectGroup(); }
el("undo").addEventListener("click", undo);
el("redo").addEventListener("click", redo);
el("download").addEventListener("click", () => { if (editor.typing()) editor.commit(); storage.download(); });
el("load").addEventListener("click", () => el("file").click());
el("file").addEventListener("change", async () => {
  if (el("file").files.length) await storage.load(el("file").files[0]);
  el("file").value = "";
  selectGroup();
});
el("groups").addEventListener("input", () => { state.setCut(Number(el("groups").value)); selectGroup(); });
el("groups").addEventListener("change", () => state.stepEnds());
el("opacity").addEventListener("input", () => app.pictures.draw());
el("only").addEventListener("change", () => app.pictures.draw());

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  const writing = event.target.matches?.("input[type=text]");
  if ((event.ctrlKey || event.metaKey) && !event.altKey && (key === "z" || key === "y")) {
    // Words half typed are the browser's to undo.
    if (writing && (event.target.id !== "name" || editor.typing())) return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) redo(); else undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("input, #tree")) return;
  const inList = el("list").contains(event.target);
  if (key === "arrowright" || key === "arrowleft") app.nextUnnamed(key === "arrowright" ? 1 : -1, inList);
  else if (inList && (key === "arrowdown" || key === "arrowup")) along(key === "arrowdown" ? 1 : -1, () => true, true);
  else if (inList && key === "enter") el("name").focus();
  else return;
  event.preventDefault();
});

el("run").textContent = `of ${content.run}`;
el("count").textContent = tree.k;
el("dead").textContent = alive < tree.k ? ` (${tree.k - alive} of them never occur and are left out)` : "";
el("command").textContent = content.command;
for (const unit of document.querySelectorAll(".unit")) unit.textContent = content.unit;
el("notes").append(...content.notes.map((note) => make("li", { textContent: note })));
el("groups").max = Math.max(2, alive);
state.setClasses(content.classes.map((one) => [cleanName(one.name), one.colour, one.clusters]));
const kept = storage.kept();
if (kept) {
  // Undo goes back to the page as it was made.
  state.settle();
  state.change(() => state.restore(kept));
  if (kept.names.length) app.say("Here is what you named before in this browser; undo starts afresh.");
}
state.settle();
app.selected = state.sorted().find((node) => state.nameOf(node) === undefined) ?? state.sorted()[0];
draw();
app.pictures.load().then(() => { app.pictures.show(0); document.body.dataset.ready = "yes"; });
