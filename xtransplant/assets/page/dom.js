// Elements and wording. Nothing on the page is made from markup: strings become text nodes.

const byId = (id) => document.getElementById(id);

/** Make an element; strings among the children become text nodes, null and false nothing. */
function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== false));
  return node;
}

/** Put an untrusted text into an element of its own direction, language and line breaks. */
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

/** Name a language, "Swahili (sw)"; the code alone where it is none that the browser knows. */
function languageName(code) {
  try {
    const name = names.of(code);
    return name === code ? code : `${name} (${code})`;
  } catch {
    return code; // not of the form of a language tag
  }
}
