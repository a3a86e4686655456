// Writing and reading classes.yaml.
function cleanName(text) {
  // Characters that are seen, and no others; lone halves of characters are none.
  return text.normalize("NFC").replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]+/g, " ")
    .replace(/\p{Surrogate}/gu, "").replace(/\s+/g, " ").trim();
}

// A JSON string is a YAML string: after cleanName it holds nothing that YAML forbids.
const quoted = (text) => JSON.stringify(cleanName(text));

// What has a number keeps it; others get the first that are free.
function numbersOf(classes, known) {
  const taken = new Set(classes.filter(({ name }) => known.has(name)).map(({ name }) => known.get(name)));
  let free = 0;
  return classes.map(({ name }) => {
    if (known.has(name)) return known.get(name);
    while (taken.has(free)) free += 1;
    taken.add(free);
    return free;
  });
}

function writeYaml({ head, model }, classes, comments, known = new Map()) {
  const lines = comments.map((line) => `# ${cleanName(line)}`);
  lines.push(`head: ${quoted(head)}`);
  if (model) lines.push(`model: ${quoted(model)}`);
  lines.push("classes:");
  const numbers = numbersOf(classes, known);
  classes.forEach(({ name, colour, clusters }, place) => {
    lines.push(
      `  ${quoted(name)}: {number: ${numbers[place]}, show: ${quoted(colour)}, clusters: [${clusters.join(", ")}]}`);
  });
  lines.push("guessed: []", "");
  return lines.join("\n");
}

function unquoted(text) {
  const t = text.trim();
  if (t.startsWith('"')) return JSON.parse(t);
  if (t.startsWith("'")) return t.slice(1, -1).replaceAll("''", "'");
  return t;
}

// Throws an Error whose message says what was expected.
function readYaml(text, { head, model }, k) {
  const string = `"(?:[^"\\\\]|\\\\.)*"|'(?:[^']|'')*'|[^\\s"'#{}\\[\\],:&*!|>%@\`][^#:{}]*?`;
  const numbers = (list) => (list.trim() ? list.split(",").map(Number) : []);
  const one = new RegExp(
    `^ +(${string}): *\\{number: *(\\d+), *show: *(${string}), *clusters: *\\[([\\d, ]*)\\] *\\} *$`);
  const found = [];
  let guessed = new Set();
  let own = null, whose = null;
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    if (/^\s*(#.*)?$/.test(line) || /^(classes): *\S* *(#.*)?$/.test(line)) continue;
    let match;
    if ((match = line.match(new RegExp(`^head: *(${string}) *(#.*)?$`)))) own = unquoted(match[1]);
    else if ((match = line.match(new RegExp(`^model: *(${string}) *(#.*)?$`)))) whose = unquoted(match[1]);
    else if ((match = line.match(/^guessed: *\[([\d, ]*)\] *(#.*)?$/))) guessed = new Set(numbers(match[1]));
    else if ((match = line.match(one)))
      found.push([cleanName(unquoted(match[1])), unquoted(match[3]), numbers(match[4]), Number(match[2])]);
    else throw new Error(`Expected a classes.yaml as this page writes it; received the line “${line.trim().slice(0, 80)}”.`);
  }
  if (own !== head) throw new Error(`Expected the clusters of the head “${head}”; received ${own ?? "none"}.`);
  if (whose && model && whose !== model) throw new Error(`Expected names of the clusters of this model, ${model}; received those of ${whose}.`);
  const taken = new Set();
  for (const [name, colour, clusters] of found) {
    if (!name || !/^#[0-9a-f]{6}$/i.test(colour))
      throw new Error(`Expected a name and a colour #rrggbb; received “${name}” and ${colour}.`);
    for (const c of clusters) {
      if (!(c < k) || taken.has(c))
        throw new Error(`Expected each of the clusters 0 to ${k - 1} once; received ${c} in “${name}”.`);
      taken.add(c);
    }
  }
  if (!found.length) throw new Error("Expected classes; received none.");
  found.sort((a, b) => a[3] - b[3]);
  return found.map(([name, colour, clusters, number]) => [
    name, colour.toLowerCase(), clusters.filter((c) => !guessed.has(c)), number]);
}
