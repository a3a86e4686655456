// The file to save and to load, and what the browser keeps until then.
function makeStorage(app) {
  const { content, tree, state } = app;
  const numbers = new Map(content.classes.map((one) => [cleanName(one.name), one.number]));
  const place = `iic-tf classes ${content.key}`;

  // Pages opened from a disk may be forbidden to keep anything.
  function keep() {
    try { localStorage.setItem(place, JSON.stringify(state.plain())); } catch { /* then not */ }
  }
  function kept() {
    try {
      const found = JSON.parse(localStorage.getItem(place));
      const all = found.groups.flatMap((node) => tree.leaves[node]).sort((a, b) => a - b);
      const whole = all.length === tree.k && all.every((c, i) => c === i);
      const known = new Map(found.classes);
      return whole && found.names.every(([, name]) => known.has(name)) ? found : null;
    } catch { return null; }
  }

  function download() {
    const classes = state.classes();
    if (classes.length < 2) {
      app.say(`Name at least two classes first; there ${classes.length ? "is one" : "are none"} yet.`);
      return;
    }
    const text = writeYaml(content, classes, [
      `Names given by hand to the clusters of ${content.run}: ${app.progress()}.`,
      `Use them: ${content.command}`,
    ], numbers);
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/yaml" })), download: "classes.yaml" });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    const named = new Set(classes.flatMap((one) => one.clusters));
    const left = tree.living[tree.root].filter((c) => !named.has(c)).length;
    app.say(`Saved ${app.plural(classes.length, "class", "classes")} as classes.yaml. ` +
      (left ? `${app.plural(left, "cluster")} without a name will get the class of the nearest in the tree. ` : "") +
      `Next: ${content.command}`);
  }

  async function load(file) {
    try {
      const found = readYaml(await file.text(), content, tree.k);
      for (const [name, , , number] of found) numbers.set(name, number);
      state.change(() => state.setClasses(found));
      app.say(`Loaded ${app.plural(found.length, "class", "classes")} from ${file.name}. Undo brings back what was there.`);
    } catch (error) { app.say(error.message); }
  }
  return { keep, kept, download, load };
}
