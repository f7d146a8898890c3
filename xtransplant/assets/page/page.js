// The page: from the fragment to pickers, summary, heatmap and instances.

let state = null; // what the page shows, from `readState`

function draw(payload) {
  const before = state;
  state = readState(payload.views, location.hash);
  const { view, cells, cell, theme, unmet } = state;
  document.documentElement.dataset.theme = theme;
  byId("notice").textContent = notice(view, unmet);
  byId("theme").value = theme;
  document.title = `${view.task} ${view.model} ${view.module} ${view.language} – xtransplant`;
  drawPickers(payload.views);
  if (before?.view !== view) {
    // Only if it changed: redrawing would lose the keyboard focus.
    drawSummary(payload, view, cells);
    drawLegend(view, cells);
    drawHeatmap(byId("heatmap"), cells);
  }
  markOpen(byId("heatmap"), cell);
  drawCell(payload.interval, view, cell);
  drawInstances(payload, state);
}

function notice(view, unmet) {
  const lines = [];
  if (unmet.length > 0) {
    lines.push(`The link asks for ${unmet.join(", ")}, which this page does not hold.`);
  }
  if (view.status !== "done") {
    lines.push(`This run is not finished (status ${view.status}): these are its finished parts.`);
  }
  const answers = view.n * (view.cells.accuracy.length + 1);
  const cutOff = view.n_cut_off[0] + view.n_cut_off[1];
  if (2 * cutOff > answers) {
    lines.push(`${cutOff} of ${answers} answers were cut off by the token limit: see decode.max_new_tokens.`);
  }
  if (!view.correct.includes(1)) {
    lines.push("No answer is right, not even the baseline’s: see some texts, task.scorer and the prompt.");
  }
  return lines.join(" ");
}

/** Show what the report says of its runs: what they show, which were left out, what is doubtful. */
function drawReport({ findings, remarks }) {
  const items = (lines) => lines.map((line) => element("li", {}, line));
  byId("findings").replaceChildren(...items(findings));
  byId("first").hidden = findings.length === 0;
  byId("remarks").replaceChildren(...items(remarks));
  byId("remarks").hidden = remarks.length === 0;
}

/** Fill each picker with what exists under the pickers before it; a choice keeps the others if possible. */
function drawPickers(views) {
  let candidates = views;
  for (const facet of FACETS) {
    const values = [...new Set(candidates.map((view) => view[facet]))];
    const select = byId(facet);
    select.replaceChildren(
      ...values.map((value) => element("option", { value }, optionText(candidates, facet, value))),
    );
    select.value = state.view[facet];
    select.disabled = values.length === 1;
    select.onchange = () => {
      const { view } = resolve(views, { ...state.view, [facet]: select.value });
      const cells = cellsOf(view);
      const { source, target } = state.cell;
      const same = cells.find((cell) => cell.source === source && cell.target === target);
      go(state, { view, cell: same ?? bestOf(cells) });
    };
    candidates = candidates.filter((view) => view[facet] === state.view[facet]);
  }
  byId("run").parentElement.hidden = byId("run").disabled;
}

function watchChoices() {
  byId("theme").onchange = (event) => go(state, { theme: event.target.value });
  byId("prompts").onchange = (event) =>
    go(state, { prompts: event.target.checked ? "open" : "closed" });
  for (const input of document.getElementsByName("show")) {
    input.onchange = () => go(state, { show: input.value });
  }
}

function optionText(candidates, facet, value) {
  if (facet === "language") return languageName(value);
  if (facet !== "run") return value;
  const { grid, split, n } = candidates.find((view) => view.run === value);
  return `${value} (${[split, `grid ${grid}`, `n ${n}`].filter(Boolean).join(", ")})`;
}

function drawSummary(payload, view, cells) {
  byId("summary").replaceChildren(
    tile("Baseline", numbers(view.baseline), view.n, `the target prompt without a transplant${cutOffNote(view, 0, view.n)}`),
    ...(cells.length > 1 ? chosenTiles(view, cells) : [givenTile(view, cells[0])]),
    ...controlsOf(payload.views, view).map((control) =>
      tile(
        `Upper bound, ${control.control === "none" ? "no control" : `control ${control.control}`}`,
        numbers(control.upper_bound),
        control.n,
        `the same number of cells: ${control.cells.accuracy.length}`,
      ),
    ),
  );
}

/** The best cell and the upper bound, which are chosen with the gold answers. */
function chosenTiles(view, cells) {
  const best = bestOf(cells);
  const equal = cells.filter((cell) => cell.nCorrect === best.nCorrect).length;
  const optimistic = "optimistic: chosen with the gold answers";
  const layers = `${best.source} → ${best.target}${equal > 1 ? `, one of ${equal} equally good` : ""}`;
  const where = best.nCorrect > 0 ? `${layers}; ${optimistic}` : "no cell is ever right";
  const bound = `right in any of ${cells.length} cells; ${optimistic}`;
  return [
    tile("Best fixed cell", best, view.n, `${where}${cutOffNote(view, 1, view.n * cells.length)}`),
    tile("Upper bound", numbers(view.upper_bound), view.n, bound),
  ];
}

function givenTile(view, cell) {
  const note = `${cell.source} → ${cell.target}, the only cell${cutOffNote(view, 1, view.n)}`;
  return tile("Fixed cell", cell, view.n, note);
}

/** Say how many answers the token limit cut off, of baselines (0) or cells (1). */
function cutOffNote(view, kind, answers) {
  const cutOff = view.n_cut_off[kind];
  return cutOff > 0 ? `; ${cutOff} of ${answers} answers cut off by the token limit` : "";
}

/**
 * The same setting under the other controls: the same cells, on as many instances. Samples of the
 * untouched model stand beside every module.
 */
function controlsOf(views, view) {
  const setting = (other) =>
    [view, other].some(isUntouched) ? "any_module" : "setting";
  return views.filter(
    (other) =>
      other.control !== view.control &&
      [setting(other), "language", "n"].every((name) => other[name] === view[name]),
  );
}

const isUntouched = (view) => view.module === "untouched";

const numbers = ({ n_correct: [nCorrect], accuracy: [accuracy], low: [low], high: [high] }) => ({
  nCorrect,
  accuracy,
  low,
  high,
});

function tile(title, { nCorrect, accuracy, low, high }, n, note) {
  return element(
    "div",
    {},
    element("dt", {}, title),
    element("dd", { class: "value" }, percent(accuracy)),
    element("dd", {}, `${nCorrect} of ${n}; 95 % interval ${figure(low)} to ${percent(high)}`),
    element("dd", { class: "quiet" }, note),
  );
}

function drawLegend(view, cells) {
  const scale = scaleOf(cells);
  const baseline = view.baseline.accuracy[0];
  byId("map-text").textContent = isUntouched(view)
    ? "Each cell is one try: an answer drawn from the untouched model. Its layers only number it. " +
      "Colour is the difference to the baseline."
    : `The ${view.module} activation of the prompt in ${languageName(view.source_language)}, captured ` +
      `at the source layer, replaces that at the target layer while the model reads the prompt ` +
      `in ${languageName(view.target_language)}. Colour is the difference to the baseline.`;
  byId("legend-low").textContent = `${signed(-scale)} points`;
  byId("legend-middle").textContent = `baseline ${percent(baseline)}`;
  byId("legend-high").textContent = `${signed(scale)} points`;
}

function drawCell(interval, view, cell) {
  byId("cell-title").textContent = arrow(cell.source, cell.target).replace(/^s/, "S");
  const [, accuracy, , difference, changes] = describe(cell);
  const line = element("div", { class: "line", "aria-hidden": "true" });
  for (const [name, value] of [
    ["low", cell.low],
    ["high", cell.high],
    ["at", cell.accuracy],
    ["baseline", view.baseline.accuracy[0]],
  ]) {
    line.style.setProperty(`--${name}`, `${100 * value}%`);
  }
  line.append(
    ...["track", "band", "baseline", "dot"].map((name) => element("span", { class: name })),
  );
  byId("cell-numbers").replaceChildren(
    element("p", {}, element("b", {}, accuracy), `, ${difference}, ${changes}`),
    line,
    element(
      "p",
      { class: "quiet" },
      `${interval} ${figure(cell.low)} to ${percent(cell.high)}; baseline ` +
        `${percent(view.baseline.accuracy[0])}, n = ${view.n}`,
    ),
  );
}

try {
  const payload = await unpack();
  byId("main").hidden = false;
  drawReport(payload);
  draw(payload);
  watchChoices();
  watchHeatmap(byId("heatmap"), () => state.cells, (cell) => go(state, { cell }));
  addEventListener("hashchange", () => draw(payload));
} catch (error) {
  byId("main").hidden = true;
  byId("notice").textContent = `This page could not be shown: ${error}. It needs a browser of 2024 or later.`;
  byId("notice").className = "failure";
  throw error;
}
