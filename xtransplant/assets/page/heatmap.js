// The heatmap: a grid of elements, one for each cell, coloured by its difference to the baseline.
// The keyboard moves a single tab stop through the cells; the hint follows keyboard and mouse.

const VALUES_UP_TO = 12; // columns in which a figure still fits

/** The largest difference to the baseline, at least 5 points: both ends of the colour scale. */
function scaleOf(cells) {
  const largest = Math.max(...cells.map((cell) => Math.abs(cell.difference)));
  return Math.max(0.05, Math.ceil(largest * 20 - 1e-9) / 20);
}

function drawHeatmap(grid, cells) {
  const sources = [...new Set(cells.map((cell) => cell.source))].sort((a, b) => b - a);
  const targets = [...new Set(cells.map((cell) => cell.target))].sort((a, b) => a - b);
  const byPair = new Map(cells.map((cell) => [`${cell.source},${cell.target}`, cell]));
  const scale = scaleOf(cells);
  const best = bestOf(cells);
  const withValues = targets.length <= VALUES_UP_TO;
  byId("legend-dash").hidden = withValues;
  grid.parentElement.style.setProperty("--columns", targets.length);
  grid.replaceChildren(
    ...sources.map((source, position) =>
      row(
        heading("rowheader", source, sources.length - 1 - position, sources.length),
        ...targets.map((target) => {
          const cell = byPair.get(`${source},${target}`);
          return cell ? square(cell, scale, cell === best && cell.nCorrect > 0, withValues) : gap();
        }),
      ),
    ),
    row(
      element("div", { role: "presentation" }),
      ...targets.map((target, position) =>
        heading("columnheader", target, position, targets.length),
      ),
    ),
  );
}

/** Add the listeners: `cellsNow` returns the shown cells, `open` is called with the chosen one. */
function watchHeatmap(grid, cellsNow, open) {
  const nodeOf = (event) => event.target.closest("[data-index]");
  const cellOf = (node) => cellsNow()[node.dataset.index];
  const hint = (event) => {
    const node = nodeOf(event);
    if (node) showHint(node, cellOf(node));
    else hideHint();
  };
  grid.addEventListener("pointerover", hint);
  grid.addEventListener("focusin", hint);
  grid.addEventListener("pointerleave", hideHint);
  grid.addEventListener("focusout", hideHint);
  addEventListener("wheel", hideHint, { passive: true });
  addEventListener("touchmove", hideHint, { passive: true });
  grid.addEventListener("click", (event) => {
    const node = nodeOf(event);
    if (node) open(cellOf(node));
  });
  grid.addEventListener("keydown", (event) => {
    const node = nodeOf(event);
    if (node) onKey(event, cellsNow(), cellOf(node), open);
  });
}

const row = (...children) => element("div", { role: "row", class: "row" }, ...children);
const gap = () => element("div", { role: "gridcell", class: "gap", "aria-label": "not in the grid" });

/** Number an axis; on large grids in steps, so that numbers do not touch. */
function heading(role, layer, position, count) {
  const step = [1, 2, 4, 5, 10, 20].find((size) => count / size <= 16) ?? 50;
  const shown = position % step === 0;
  return element("div", { role, class: "tick", "aria-label": `layer ${layer}` }, shown && `${layer}`);
}

function square(cell, scale, isBest, withValue) {
  const strength = Math.abs(cell.difference) / scale;
  const side = cell.difference < 0 ? "below" : "above";
  const node = element(
    "div",
    {
      role: "gridcell",
      tabindex: -1,
      class: ["square", side, isBest && "best", strength > 0.55 && "strong", strength > 0.81 && "strongest"]
        .filter(Boolean)
        .join(" "),
      "aria-label": `${isBest ? "best cell, " : ""}${describe(cell).join(", ")}`,
      "data-index": cell.index,
    },
    withValue && `${Math.round(100 * cell.accuracy)}`,
  );
  node.style.setProperty("--strength", `${100 * strength}%`);
  return node;
}

/** Mark the open cell; the tab key enters the heatmap there. */
function markOpen(grid, cell) {
  for (const node of grid.querySelectorAll("[tabindex='0']")) {
    node.tabIndex = -1;
    node.removeAttribute("aria-selected");
  }
  const node = grid.querySelector(`[data-index="${cell.index}"]`);
  node.tabIndex = 0;
  node.setAttribute("aria-selected", "true");
}

function onKey(event, cells, cell, open) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter" || event.key === " ") open(cell);
  else if (event.key === "Escape") hideHint();
  else {
    const next = neighbour(cells, cell, event.key);
    if (!next) return;
    const node = event.currentTarget.querySelector(`[data-index="${next.index}"]`);
    node.scrollIntoView({ block: "nearest" }); // before the position of the hint is measured
    node.focus({ preventScroll: true });
  }
  event.preventDefault();
}

/** The next cell of the grid in the direction of a key, in the same row or column. */
function neighbour(cells, { source, target }, key) {
  const inRow = cells.filter((cell) => cell.source === source).sort((a, b) => a.target - b.target);
  const inColumn = cells.filter((cell) => cell.target === target).sort((a, b) => a.source - b.source);
  switch (key) {
    case "ArrowLeft": return inRow.findLast((cell) => cell.target < target);
    case "ArrowRight": return inRow.find((cell) => cell.target > target);
    case "ArrowDown": return inColumn.findLast((cell) => cell.source < source);
    case "ArrowUp": return inColumn.find((cell) => cell.source > source);
    case "Home": return inRow[0];
    case "End": return inRow.at(-1);
    default: return undefined;
  }
}

/** A cell in words: layers, accuracy, interval, and difference to the baseline. */
function describe(cell) {
  return [
    arrow(cell.source, cell.target),
    `${percent(cell.accuracy)} (${cell.nCorrect} of ${cell.n})`,
    `95 % interval ${figure(cell.low)} to ${percent(cell.high)}`,
    `${signed(cell.difference)} points to the baseline`,
    `${cell.gained} gained, ${cell.lost} lost`,
  ];
}

function showHint(node, cell) {
  const [where, accuracy, ...rest] = describe(cell);
  const hint = byId("hint");
  hint.replaceChildren(
    element("div", { class: "where" }, where),
    element("div", { class: "value" }, accuracy),
    ...rest.map((line) => element("div", {}, line)),
  );
  hint.hidden = false;
  const at = node.getBoundingClientRect();
  const below = at.bottom + 8;
  const top = below + hint.offsetHeight < innerHeight ? below : at.top - hint.offsetHeight - 8;
  const left = Math.min(at.left, innerWidth - hint.offsetWidth - 8);
  hint.style.translate = `${Math.max(8, left)}px ${Math.max(8, top)}px`;
}

function hideHint() {
  byId("hint").hidden = true;
}
