// What was decided: groups (nodes of the tree that hold all clusters between them), their names, colours.
// A class is a name; its colour is that of all groups of that name.
function makeState(content, tree, changed) {
  const shares = content.clusters.map((cluster) => cluster.share);
  const share = (node) => tree.leaves[node].reduce((sum, c) => sum + shares[c], 0);
  const largest = (node) =>
    tree.leaves[node].reduce((best, c) => (shares[c] > shares[best] ? c : best));

  let now = { cut: content.groups, groups: [], names: new Map(), colours: new Map(), classes: new Map() };
  let past = [];
  let future = [];
  let lastTag = null;
  const groupOf = new Array(tree.k);

  const copy = (s) => ({
    cut: s.cut, groups: [...s.groups],
    names: new Map(s.names), colours: new Map(s.colours), classes: new Map(s.classes),
  });
  const plain = () => ({
    cut: now.cut, groups: now.groups,
    names: [...now.names], colours: [...now.colours], classes: [...now.classes],
  });

  function settle() {
    const groups = new Set(now.groups);
    for (const node of now.names.keys()) if (!groups.has(node)) now.names.delete(node);
    const used = new Set(now.names.values());
    for (const name of now.classes.keys()) if (!used.has(name)) now.classes.delete(name);
    for (const node of now.groups) for (const c of tree.leaves[node]) groupOf[c] = node;
  }

  // One step that can be undone. Steps with the same tag, one after the other, are one.
  function change(step, tag = null) {
    const before = copy(now);
    if (step() === false) { now = before; return; }
    if (tag === null || tag !== lastTag) past.push(before);
    if (past.length > 500) past.shift();
    lastTag = tag;
    future = [];
    settle();
    changed();
  }
  function go(from, to) {
    if (!from.length) return false;
    to.push(now);
    now = from.pop();
    lastTag = null;
    settle();
    changed();
    return true;
  }

  // Make a node a group. Merging keeps the name of the largest named part, splitting gives it to all parts.
  function group(node) {
    if (now.groups.includes(node)) return;
    const above = now.groups.find((other) => tree.within(node, other));
    if (above === undefined) {
      const inside = now.groups.filter((other) => tree.within(other, node));
      const named = inside.filter((other) => now.names.has(other));
      named.sort((a, b) => share(b) - share(a));
      now.groups = [...now.groups.filter((other) => !inside.includes(other)), node];
      if (named.length) now.names.set(node, now.names.get(named[0]));
      return;
    }
    const parts = [node];
    for (let at = node; at !== above; at = tree.parent[at]) parts.push(tree.sibling(at));
    now.groups = [...now.groups.filter((other) => other !== above), ...parts];
    if (now.names.has(above)) for (const part of parts) now.names.set(part, now.names.get(above));
  }

  function colourOf(node) {
    const name = now.names.get(node);
    if (name !== undefined) return now.classes.get(name);
    return now.colours.get(node) ?? content.clusters[largest(node)].colour;
  }
  function unusedColour(node) {
    const used = new Set(now.classes.values());
    const own = colourOf(node);
    if (!used.has(own)) return own;
    const free = content.clusters.map((cluster) => cluster.colour).find((c) => !used.has(c));
    return free ?? own;
  }
  function nameGroup(node, name) {
    if (name === "") { now.names.delete(node); return; }
    if (now.names.get(node) === name) return;
    now.names.delete(node);
    if (!now.classes.has(name)) {
      // A class that only this group had is gone now, and its colour is free.
      settle();
      now.classes.set(name, unusedColour(node));
    }
    now.names.set(node, name);
  }

  function setName(node, typed) {
    const name = cleanName(typed);
    const is = now.groups.includes(node);
    if ((is && (now.names.get(node) ?? "") === name) || (!is && name === "")) return;
    change(() => { group(node); nameGroup(node, name); });
  }
  function setColour(node, colour) {
    change(() => {
      group(node);
      const name = now.names.get(node);
      if (name !== undefined) now.classes.set(name, colour);
      else now.colours.set(node, colour);
    }, `colour ${node}`);
  }
  function classColour(name, colour) {
    change(() => { now.classes.set(name, colour); }, `class ${name}`);
  }
  function renameClass(old, typed) {
    const name = cleanName(typed);
    if (name === "" || name === old) return false;
    change(() => {
      // In its place in the order, unless there is such a class already.
      const there = now.classes.has(name);
      const kept = [...now.classes].filter(([other]) => !(there && other === old));
      now.classes = new Map(kept.map(([other, c]) => [other === old ? name : other, c]));
      for (const [node, other] of now.names) if (other === old) now.names.set(node, name);
    });
    return true;
  }
  // The slider: groups with a name stay, the others are those of the cut.
  function setCut(count) {
    change(() => {
      now.cut = count;
      now.groups = tree.cut(count, new Set(now.names.keys()));
    }, "cut");
  }

  // [name, colour, clusters] of each class, in the place of all there is.
  function setClasses(found) {
    now.names = new Map();
    now.colours = new Map();
    now.classes = new Map(found.map(([name, colour]) => [name, colour]));
    for (const [name, , clusters] of found)
      for (const node of tree.covering(clusters)) now.names.set(node, name);
    now.groups = tree.cut(now.cut, new Set(now.names.keys()));
  }
  function restore(kept) {
    now = {
      cut: kept.cut, groups: kept.groups,
      names: new Map(kept.names), colours: new Map(kept.colours), classes: new Map(kept.classes),
    };
  }

  // The class of the nearest named group in the tree; the largest where several are as near.
  function guess(node) {
    for (let at = node; at !== tree.root; at = tree.parent[at]) {
      const near = new Map();
      for (const c of tree.leaves[tree.parent[at]]) {
        const name = now.names.get(groupOf[c]);
        if (name !== undefined) near.set(name, (near.get(name) ?? 0) + shares[c]);
      }
      if (near.size) return [...near].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
    }
    return null;
  }
  function classes() {
    return [...now.classes].map(([name, colour]) => {
      const groups = now.groups.filter((node) => now.names.get(node) === name);
      const clusters = groups.flatMap((node) => tree.leaves[node]).sort((a, b) => a - b);
      return { name, colour, groups, clusters, share: groups.reduce((s, n) => s + share(n), 0) };
    });
  }

  // Groups that occur, the largest first.
  const sorted = () => now.groups.filter(tree.lives).sort((a, b) => share(b) - share(a) || a - b);
  return {
    change, settle, group, setName, setColour, classColour, renameClass, setCut, setClasses, restore,
    undo: () => go(past, future), redo: () => go(future, past),
    canUndo: () => past.length > 0, canRedo: () => future.length > 0,
    stepEnds: () => { lastTag = null; },
    share, colourOf, guess, classes, sorted, plain, groupOf,
    cut: () => now.cut, groups: () => now.groups, isGroup: (node) => now.groups.includes(node),
    nameOf: (node) => now.names.get(node),
  };
}
