// Browsing the gallery: all varieties, and one of them.

import { files, picture } from "./answer.js";
import { capital, h, icon, show } from "./dom.js";
import { answeredBy, gallery, label as load } from "./gallery.js";
import { keyError, keyForm } from "./key.js";
import { card } from "./species.js";
import { called, language, number, pretty, speciesBeside, t } from "./words.js";

let search = "";
let asked = 0; // the last view wins, whichever answer comes first

export async function list() {
  const mine = ++asked;
  const title = h("h1", { class: "title" }, t("varieties.title"));
  const sheet = h("section", { class: "sheet plain", "aria-busy": "true" }, title);
  show(sheet);
  try {
    const { labels } = await gallery();
    if (mine !== asked || !sheet.isConnected) return;
    sheet.append(...(labels.length ? browser(labels) : [h("p", { class: "lead" }, t("varieties.no_labels"))]));
  } catch (error) {
    sheet.append(failed(error.status, list));
  }
  sheet.removeAttribute("aria-busy");
}

function browser(labels) {
  const results = h("div", {});
  const count = h("p", { class: "note", role: "status" });
  const fill = () => {
    const found = labels.filter((label) => matches(label, fold(search)));
    const many = found.length === 1 ? t("varieties.count_one") : t("varieties.count", { n: number(found.length) });
    count.textContent = found.length ? many : t("varieties.none");
    results.replaceChildren(...groups(found));
  };
  const input = h("input", {
    type: "search",
    id: "search",
    value: search,
    placeholder: t("varieties.search_hint"),
    autocomplete: "off",
    oninput: () => {
      search = input.value;
      fill();
    },
  });
  fill();
  return [h("p", { class: "search" }, h("label", { for: "search" }, t("varieties.search")), input), count, results];
}

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function matches({ label, names, scientific_name: latin }, wanted) {
  const words = [pretty(label), called(label, names), names?.en.name, names?.fr.name, names?.en.plural, names?.fr.plural, latin];
  return words.some((word) => word && fold(word).includes(wanted.trim()));
}

// A section for each species of several varieties; then those of one; then what is no species.
function groups(labels) {
  const bySpecies = new Map();
  for (const label of labels) bySpecies.set(label.species, [...(bySpecies.get(label.species) ?? []), label]);
  const others = bySpecies.get(null) ?? [];
  bySpecies.delete(null);
  const sorted = (items, key) => items.sort((a, b) => new Intl.Collator(language).compare(key(a), key(b)));
  const several = sorted([...bySpecies.values()].filter((members) => members.length > 1), ([first]) => plural(first));
  const alone = sorted([...bySpecies.values()].filter((members) => members.length === 1).flat(), nameOf);
  return [
    ...several.map((members) => section(plural(members[0]), members[0].scientific_name, members)),
    alone.length ? section(t("varieties.alone"), null, alone) : null,
    others.length ? section(t("varieties.other"), null, others) : null,
  ].filter(Boolean);
}

const plural = ({ names }) => capital(names[language].plural);
const nameOf = ({ label, names }) => capital(called(label, names));

// Under the name of a species, it need not be said again.
function section(title, latin, members) {
  return h("section", { class: "group" },
    h("h2", { class: "section" }, title, latin ? h("i", { lang: "la" }, latin) : null),
    h("ul", { class: "photos" }, members.map((member) => tile(member, !latin))));
}

function tile({ label, photo, photos, names }, alone) {
  const many = photos === 1 ? t("varieties.photos_one") : t("varieties.photos", { n: number(photos) });
  const beside = alone && names ? speciesBeside(label, names) : null;
  const shown = picture(photo, "");
  shown.firstChild.loading = "lazy";
  return h("li", {},
    h("a", { href: `#/variety/${encodeURIComponent(label)}` }, shown, h("b", {}, capital(called(label, names))), h("small", {}, beside ? `${beside}, ${many}` : many)));
}

export async function one(name) {
  const mine = ++asked;
  const sheet = h("section", { class: "sheet plain", "aria-busy": "true" },
    h("a", { class: "back", href: "#/varieties" }, icon("back"), h("span", {}, t("variety.back"))),
    h("h1", { class: "title" }, pretty(name)));
  show(sheet);
  try {
    const { label, photos, examples, species, gallery: from } = await load(name);
    await answeredBy(from);
    if (mine !== asked || !sheet.isConnected) return;
    const shown = examples.length < photos ? t("variety.some", { n: examples.length, total: number(photos) }) : number(photos);
    const items = examples.map(({ photo }) => h("li", {}, picture(photo, pretty(label))));
    sheet.querySelector("h1").textContent = capital(called(label, species?.names));
    if (species) sheet.append(h("p", { class: "latin" }, h("span", {}, capital(species.names[language].name), ", ", h("i", { lang: "la" }, species.scientific_name))));
    sheet.append(...[
      h("h2", { class: "section" }, t("variety.photos"), h("small", {}, shown)),
      h("ul", { class: "photos" }, items),
      files(examples)].filter(Boolean));
    if (species) sheet.after(card(species));
  } catch (error) {
    sheet.append(failed(error.status, () => one(name)));
  }
  sheet.removeAttribute("aria-busy");
}

function failed(status, again) {
  const told = { 401: keyError(), 404: "error.not-found" }[status];
  const key = told ?? (navigator.onLine ? "error.load" : "offline");
  return h("div", {},
    h("p", { class: "lead", role: "alert" }, t(key)),
    status === 401 ? keyForm(again) : null);
}
