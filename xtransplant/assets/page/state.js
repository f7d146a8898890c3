// The URL fragment is the only state, so every state has a link and the back button works.

const FACETS = ["task", "model", "module", "control", "language", "run"];

/** Other keys of a fragment with their allowed values; the first is the default. */
const CHOICES = {
  show: ["all", "gained", "lost", "right", "wrong"],
  prompts: ["closed", "open"],
  theme: ["auto", "light", "dark"],
};

/** Find the view that meets a wish, earlier facets first; return the facets it cannot meet. */
function resolve(views, wish) {
  let candidates = views;
  const unmet = [];
  for (const facet of FACETS.filter((name) => wish[name] !== undefined)) {
    const agreeing = candidates.filter((view) => view[facet] === wish[facet]);
    if (agreeing.length > 0) candidates = agreeing;
    else unmet.push(facet);
  }
  return { view: candidates[0], unmet };
}

/** Read a fragment: {view, cells, cell, unmet} and the `CHOICES`; `unmet` as "language xx". */
function readState(views, fragment) {
  const wish = Object.fromEntries(new URLSearchParams(fragment.replace(/^#/, "")));
  const { view, unmet } = resolve(views, wish);
  const cells = cellsOf(view);
  const asked = cells.find(({ source, target }) => `${source},${target}` === wish.cell);
  if (wish.cell !== undefined && !asked) unmet.push("cell");
  const chosen = {};
  for (const [name, allowed] of Object.entries(CHOICES)) {
    chosen[name] = allowed.includes(wish[name]) ? wish[name] : allowed[0];
    if (wish[name] !== undefined && wish[name] !== chosen[name]) unmet.push(name);
  }
  return {
    view,
    cells,
    cell: asked ?? bestOf(cells),
    ...chosen,
    unmet: unmet.map((name) => `${name} ${wish[name]}`),
  };
}

/** Change parts of the state; the page redraws when the fragment changes. */
function go(state, change) {
  const next = { ...state, ...change };
  const fields = Object.fromEntries(FACETS.map((facet) => [facet, next.view[facet]]));
  fields.cell = `${next.cell.source},${next.cell.target}`;
  for (const [name, [usual]] of Object.entries(CHOICES)) {
    if (next[name] !== usual) fields[name] = next[name];
  }
  location.hash = new URLSearchParams(fields).toString().replaceAll("%2C", ",");
}
