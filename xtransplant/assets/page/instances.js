// The instances of the open cell: prompt pair, gold, and both texts with their verdict.

const AT_ONCE = 50; // instances drawn before "show more"
const SHORT = 300; // characters of both prompts; longer ones are folded

const BADGES = {
  gained: "▲ gained",
  lost: "▼ lost",
  right: "right in both",
  wrong: "wrong in both",
};

function drawInstances(payload, { view, cell, show, prompts }) {
  const verdicts = view.instances.id.map((_, instance) => verdict(view, instance, cell));
  for (const input of document.getElementsByName("show")) {
    const count = verdicts.filter((name) => input.value === "all" || name === input.value).length;
    input.checked = input.value === show;
    input.parentElement.querySelector("b").textContent = count;
  }
  byId("prompts").checked = prompts === "open";
  byId("prompts").parentElement.hidden = !verdicts.some((_, instance) => isLong(payload, view, instance));
  const shown = verdicts.flatMap((name, instance) =>
    show === "all" || name === show ? [instance] : [],
  );
  const list = byId("instances");
  list.replaceChildren();
  byId("none").hidden = shown.length > 0;
  const more = byId("more");
  const append = () => {
    const start = list.children.length;
    const next = shown.slice(start, start + AT_ONCE);
    list.append(
      ...next.map((instance) => card(payload, view, cell, instance, verdicts[instance], prompts)),
    );
    const left = shown.length - list.children.length;
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(AT_ONCE, left)} more of ${left}`;
  };
  more.onclick = append;
  append();
}

function card(payload, view, cell, instance, name, prompts) {
  const before = outcome(payload, view, instance, null);
  const after = outcome(payload, view, instance, cell);
  const golds = view.instances.gold[instance].map((position) => payload.texts[position]);
  return element(
    "li",
    { class: `instance ${name}` },
    element(
      "div",
      { class: "title" },
      element("span", { class: "badge" }, BADGES[name]),
      element("span", { class: "id", dir: "auto" }, view.instances.id[instance]),
      element(
        "span",
        { class: "gold" },
        "gold ",
        golds.flatMap((gold, position) => [
          position > 0 && " or ",
          foreign("bdi", gold, view.target_language),
        ]),
      ),
    ),
    promptPair(payload, view, instance, prompts),
    element(
      "div",
      { class: "pair" },
      text("Baseline", before, view.target_language),
      text("Transplanted", after, view.target_language, before.text === after.text),
    ),
  );
}

/** The source and the target prompt of an instance. */
const promptsOf = (payload, { instances }, instance) =>
  [instances.source, instances.target].map((side) => payload.texts[side[instance]]);

const isLong = (...where) => promptsOf(...where).join("").length > SHORT;

function promptPair(payload, view, instance, prompts) {
  const [source, target] = promptsOf(payload, view, instance);
  const control = view.control === "none" ? "" : ` (control: ${view.control})`;
  const pair = element(
    "div",
    { class: "pair" },
    prompt(`Source, ${languageName(view.source_language)}${control}`, source, view.source_language),
    prompt(`Target, ${languageName(view.target_language)}`, target, view.target_language),
  );
  if (!isLong(payload, view, instance)) return pair;
  const open = prompts === "open" ? "" : null;
  return element("details", { open }, element("summary", {}, "Prompts"), pair);
}

const prompt = (title, content, language) =>
  element("div", { class: "prompt" }, element("h3", {}, title), foreign("p", content, language));

function text(title, { text: content, answer, correct }, language, isSame = false) {
  return element(
    "div",
    { class: `text ${correct ? "correct" : "incorrect"}` },
    element(
      "h3",
      {},
      title,
      element("span", { class: "mark" }, correct ? "✓ right" : "✗ wrong"),
      isSame && element("span", { class: "same" }, "same text"),
    ),
    foreign("p", content, language),
    // An answer that only lower-cases the text is not shown again.
    answer?.toLowerCase() !== content.trim().toLowerCase() &&
      element("p", { class: "answer" }, "answer read: ", foreign("bdi", answer, language)),
  );
}
