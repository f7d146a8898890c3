// What is shown is written in the URL fragment and nowhere else: every state has a link, and the
// browser's back button works.

const FACETS = ["task", "model", "module", "control", "language", "run"];
const SHOWN = ["all", "gained", "lost", "right", "wrong"];
const THEMES = ["auto", "light", "dark"];

/** Find the view that agrees with a wish, the facets of `order` first; name those it cannot meet. */
function resolve(views, wish, order = FACETS) {
  let candidates = views;
  const unmet = [];
  for (const facet of order.filter((name) => wish[name] !== undefined)) {
    const agreeing = candidates.filter((view) => view[facet] === wish[facet]);
    if (agreeing.length > 0) candidates = agreeing;
    else unmet.push(facet);
  }
  return { view: candidates[0], unmet };
}

/** Read a fragment: {view, cells, cell, show, theme, unmet}, `unmet` as "language xx". */
function readState(views, fragment) {
  const wish = Object.fromEntries(new URLSearchParams(fragment.replace(/^#/, "")));
  const { view, unmet } = resolve(views, wish);
  const cells = cellsOf(view);
  const asked = cells.find(({ source, target }) => `${source},${target}` === wish.cell);
  if (wish.cell !== undefined && !asked) unmet.push("cell");
  for (const [name, allowed] of [["show", SHOWN], ["theme", THEMES]]) {
    if (wish[name] !== undefined && !allowed.includes(wish[name])) unmet.push(name);
  }
  return {
    view,
    cells,
    cell: asked ?? bestOf(cells),
    show: SHOWN.includes(wish.show) ? wish.show : "all",
    theme: THEMES.includes(wish.theme) ? wish.theme : "auto",
    unmet: unmet.map((name) => `${name} ${wish[name]}`),
  };
}

/** Go to a state, given what changes of it; the page redraws when the fragment has changed. */
function go(state, change) {
  const next = { ...state, ...change };
  const fields = Object.fromEntries(FACETS.map((facet) => [facet, next.view[facet]]));
  fields.cell = `${next.cell.source},${next.cell.target}`;
  if (next.show !== "all") fields.show = next.show;
  if (next.theme !== "auto") fields.theme = next.theme;
  location.hash = new URLSearchParams(fields).toString().replaceAll("%2C", ",");
}
