// The tree of the clusters: nodes 0 to k - 1 are clusters, node k + i is made by merge i.
// Clusters that never occur are carried along, but no step counts that only joins such to others.
function makeTree(k, merges, occurs) {
  const size = 2 * k - 1;
  const parent = new Array(size).fill(-1);
  const children = new Array(size).fill(null);
  const leaves = [];
  for (let c = 0; c < k; c++) leaves.push([c]);
  merges.forEach(([a, b], i) => {
    children[k + i] = [a, b];
    parent[a] = parent[b] = k + i;
    leaves.push([...leaves[a], ...leaves[b]].sort((x, y) => x - y));
  });
  const root = size - 1;
  const living = leaves.map((clusters) => clusters.filter((c) => occurs[c]));
  const lives = (node) => living[node].length > 0;

  const within = (node, above) => {
    while (node !== -1 && node !== above) node = parent[node];
    return node === above;
  };
  const sibling = (node) =>
    node === root ? -1 : children[parent[node]].find((other) => other !== node);

  // The lowest node above that holds other living clusters, and the part of it that does: [to, other].
  function nearest(node) {
    while (node !== root && !lives(sibling(node))) node = parent[node];
    return node === root ? null : [parent[node], sibling(node)];
  }
  // The lowest node below that holds the same living clusters.
  function lowest(node) {
    while (children[node] && !children[node].every(lives)) node = children[node].find(lives) ?? children[node][0];
    return node;
  }
  // The two parts of a node that live, or null.
  const halves = (node) => children[lowest(node)];

  // Clusters from left to right, so that no branches cross.
  const order = [];
  const walk = [root];
  while (walk.length) {
    const node = walk.pop();
    if (children[node]) walk.push(children[node][1], children[node][0]);
    else order.push(node);
  }

  // Merges from the last that split living clusters: so many groups of them there are.
  const splits = merges.map((_, i) => k + i).filter((node) => children[node].every(lives)).reverse();

  // The nodes of a cut into `count` groups of living clusters. Nodes in `kept` are groups whatever the cut.
  function cut(count, kept) {
    const holds = new Set();
    for (const node of kept)
      for (let up = parent[node]; up !== -1; up = parent[up]) holds.add(up);
    const below = count - 1 < splits.length ? splits[count - 1] + 1 : 0;
    const groups = [];
    const todo = [root];
    while (todo.length) {
      const node = todo.pop();
      if (kept.has(node) || ((node < below || !children[node]) && !holds.has(node))) groups.push(node);
      else todo.push(...children[node]);
    }
    return groups;
  }

  // The fewest nodes that hold just these clusters, and such that never occur.
  function covering(clusters) {
    const wanted = new Set(clusters);
    const all = (node) => (lives(node) ? living[node] : leaves[node]).every((c) => wanted.has(c));
    const found = [];
    const todo = [root];
    while (todo.length) {
      const node = todo.pop();
      if (all(node)) found.push(node);
      else if (children[node]) todo.push(...children[node]);
    }
    return found;
  }

  return {
    k, size, root, parent, children, leaves, living, lives, order, splits,
    within, sibling, nearest, lowest, halves, cut, covering,
  };
}
