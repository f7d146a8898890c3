// Elements and wording. Strings become text nodes; the page never parses markup.

const byId = (id) => document.getElementById(id);

/** Make an element; string children become text nodes, null and false are left out. */
function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== false));
  return node;
}

/** Put an untrusted text into an element with its own direction, language and line breaks. */
function foreign(tag, text, language) {
  if (text === null) return element(tag, { class: "absent" }, "none");
  if (text.trim() === "") return element(tag, { class: "absent" }, "empty text");
  return element(tag, { dir: "auto", lang: language, class: "foreign" }, text);
}

const figure = (value) => (100 * value).toFixed(1).replace("-", "−");
const percent = (value) => `${figure(value)} %`;
const signed = (value) => (value > 0 ? "+" : "") + figure(value);
const arrow = (source, target) => `source layer ${source} → target layer ${target}`;

const names = new Intl.DisplayNames(["en"], { type: "language" });

/** Name a language, "Swahili (sw)"; return the code alone if the browser does not know it. */
function languageName(code) {
  try {
    const name = names.of(code);
    return name === code ? code : `${name} (${code})`;
  } catch {
    return code; // not a language tag
  }
}
