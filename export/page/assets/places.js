// Where to label next.
function makePlaces(app) {
  const { content, state } = app;
  const places = content.suggestions;
  el("places-part").hidden = !places.length;
  const items = places.map((place, number) => {
    const button = make("button", { type: "button", className: "place" });
    if (place.crop) button.append(make("img", { src: place.crop, alt: "" }));
    const label = make("span", { className: "label" });
    const swatch = make("span", { className: "swatch" });
    const where = make("span", { className: "where", textContent: `${place.image}: row ${place.row}, column ${place.column}` });
    const reason = make("span", { className: "reason", textContent: place.reason });
    button.append(make("span", { className: "words" },
      make("span", { className: "head" }, swatch, label), where, reason));
    button.addEventListener("click", () => go(number));
    el("places").append(make("li", {}, button));
    return { place, button, label };
  });
  function go(number) {
    const { example, cluster } = places[number];
    if (example !== null) {
      app.pictures.show(example);
      el("viewer").scrollIntoView({ block: "nearest", behavior: "smooth" });
    }
    app.select(state.groupOf[cluster], { scroll: true });
  }
  function draw() {
    for (const { place, button, label } of items) {
      const node = state.groupOf[place.cluster];
      label.textContent = app.title(node);
      button.style.setProperty("--colour", state.colourOf(node));
    }
  }
  return { draw, go };
}
