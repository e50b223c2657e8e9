// The view of what was asked before, and the question whether an answer was right.

import { headline } from "./answer.js";
import { announce, capital, h, icon, show } from "./dom.js";
import { gallery } from "./gallery.js";
import { all, clear, forget, keep, known } from "./kept.js";
import { save } from "./share.js";
import { called, locale, t } from "./words.js";
import { zip } from "./zip.js";

let urls = []; // of the photos that are shown

export async function list() {
  const sheet = h("section", { class: "sheet plain", "aria-busy": "true" }, h("h1", { class: "title" }, t("history.title")));
  show(sheet);
  const [entries] = await Promise.all([all(), gallery().catch(() => {})]); // which says what labels are called
  for (const url of urls) URL.revokeObjectURL(url);
  urls = [];
  if (!sheet.isConnected) return;
  sheet.removeAttribute("aria-busy");
  if (!entries.length) {
    sheet.append(h("p", { class: "lead" }, t("history.none")));
    return;
  }
  sheet.append(
    h("p", { class: "note" }, t("history.private")),
    h("ul", { class: "history" }, entries.map(row)),
    h("div", { class: "actions" },
      entries.some(({ truth }) => truth) ? h("button", { type: "button", class: "button", onclick: () => exported(entries) }, t("history.export")) : null,
      h("button", { type: "button", class: "button", onclick: cleared }, t("history.clear"))));
}

function row(entry) {
  const url = entry.photos.length ? URL.createObjectURL(entry.photos[0].blob) : null;
  if (url) urls.push(url);
  const day = new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(entry.at);
  const gone = async () => {
    await forget(entry.id);
    list();
  };
  return h("li", {},
    h("span", { class: "picture" }, url ? h("img", { src: url, alt: "", width: "96", height: "96", onerror: ({ target }) => target.remove() }) : null),
    h("div", {}, h("b", {}, headline(entry.answer)), h("small", {}, day), wasRight(entry)),
    h("button", { type: "button", class: "button slight", "aria-label": t("history.forget", { what: headline(entry.answer) }), onclick: gone }, icon("gone")));
}

async function exported(entries) {
  save(await zip(await known(entries)), "verger.zip");
}

async function cleared() {
  if (!confirm(t("history.sure"))) return;
  await clear();
  announce(t("history.cleared"));
  list();
}

// "Was this right?": what the answer is goes to the history.
export function wasRight(entry) {
  const box = h("div", { class: "right" });
  const told = async (truth) => {
    entry.truth = truth;
    await keep(entry);
    fill();
  };
  const fill = () => box.replaceChildren(...(entry.truth ? thanked() : asked()));
  const thanked = () => [
    h("p", { class: "note", role: "status" }, t("right.noted", { what: capital(called(entry.truth, namesOf(entry))) })),
    h("button", { type: "button", class: "button slight", onclick: () => told(null) }, t("right.change")),
  ];
  const asked = () => {
    const claim = claimOf(entry.answer);
    const yes = h("button", { type: "button", class: "button slight", onclick: () => told(claim) }, t("right.yes"));
    const no = h("button", { type: "button", class: "button slight", onclick: () => box.replaceChildren(...correction(told)) }, t("right.no"));
    return claim ? [h("p", { class: "note" }, t("right.ask")), yes, no] : correction(told);
  };
  fill();
  return box;
}

// The label that an answer claims, or its species where that is all.
function claimOf({ verdict, labels, groups }) {
  if (verdict === "variety") return labels[0].label;
  return verdict === "group" ? groups[0].group : null;
}

function namesOf({ answer, truth }) {
  const guess = answer.labels.find(({ label }) => label === truth) ?? answer.groups.find(({ group }) => group === truth);
  return answer.species[guess?.species]?.names;
}

const folded = (text) => text.normalize("NFC").toLowerCase();

let lists = 0;

// A field that offers the labels of the gallery, and takes any other.
function correction(told) {
  const id = `labels-${(lists += 1)}`;
  const options = h("datalist", { id });
  const labelOf = new Map(); // what its reader calls a label → the label
  gallery().then(({ labels }) => {
    for (const { label, names } of [...labels].reverse()) labelOf.set(folded(called(label, names)), label);
    options.append(...labels.map(({ label, names }) => h("option", { value: capital(called(label, names)) })));
  }, () => {});
  const input = h("input", { list: id, id: `${id}-what`, autocomplete: "off", required: true });
  const keep = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text) told(labelOf.get(folded(text)) ?? text);
  };
  return [h("form", { class: "search", onsubmit: keep },
    h("label", { for: `${id}-what` }, t("right.what")), input, options,
    h("button", { type: "submit", class: "button slight" }, t("right.keep")))];
}
