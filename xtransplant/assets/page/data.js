// The packed results: unpacking them, and reading a view of one run and language.

/** Return the payload that `reporting/page.py` packed: {interval, remarks, findings, texts, views}. */
async function unpack() {
  const bytes = Uint8Array.from(atob(byId("data").textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

/** The cells of a view as objects, each with its position `index` and its accuracy's difference. */
function cellsOf(view) {
  const { cells, baseline } = view;
  return cells.source_layer.map((source, index) => ({
    index,
    source,
    target: cells.target_layer[index],
    n: view.n,
    nCorrect: cells.n_correct[index],
    accuracy: cells.accuracy[index],
    low: cells.low[index],
    high: cells.high[index],
    gained: cells.n_gained[index],
    lost: cells.n_lost[index],
    difference: cells.accuracy[index] - baseline.accuracy[0],
  }));
}

/** The most accurate cell; of equals the smallest target layer, then the largest source layer. */
function bestOf(cells) {
  return cells.reduce((best, cell) => {
    const order =
      cell.nCorrect - best.nCorrect || best.target - cell.target || cell.source - best.source;
    return order > 0 ? cell : best;
  });
}

/** The baseline of an instance, or its result from a cell: {text, answer, correct}, null for no answer. */
function outcome(payload, view, instance, cell) {
  // The flat columns begin with the baseline, then go on cell by cell.
  const position = (cell ? cell.index + 1 : 0) * view.n + instance;
  return {
    text: payload.texts[view.text[position]],
    answer: payload.texts[view.answer[position]] ?? null,
    correct: view.correct[position] === 1,
  };
}

/** "gained", "lost", "right" or "wrong" (in both). */
function verdict(view, instance, cell) {
  const before = view.correct[instance] === 1;
  const after = view.correct[(cell.index + 1) * view.n + instance] === 1;
  if (before) return after ? "right" : "lost";
  return after ? "gained" : "wrong";
}
