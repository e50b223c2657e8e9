// What is known of a species, each fact with where it was looked up.

import { capital, h } from "./dom.js";
import { language, t } from "./words.js";

export function card(species) {
  const names = species.names;
  const away = language === "en" ? "fr" : "en";
  const rows = [
    row("species.also", h("span", { lang: away }, names[away].name)),
    row("species.family", h("i", { lang: "la" }, species.family)),
    fact(species, "origin"),
    row("species.season", species.season && season(species.season), "season", species),
    fact(species, "keeping"),
    fact(species, "diversity"),
  ];
  return h("section", { class: "card species" },
    h("h2", { class: "section" }, t("species.title")),
    h("p", { class: "binomial" },
      h("b", {}, capital(names[language].name)), " ", h("i", { lang: "la" }, species.scientific_name)),
    h("dl", {}, rows),
    sources(species));
}

function fact(species, name) {
  return row(`species.${name}`, species[name]?.[language], name, species);
}

function row(key, value, name, species) {
  if (!value) return [];
  return [h("dt", {}, t(key)), h("dd", {}, value, name ? references(species, name) : null)];
}

// Small numbers that lead to the sources below.
function references(species, name) {
  const numbers = species.sources.flatMap(({ facts }, index) => (facts.includes(name) ? [index + 1] : []));
  if (!numbers.length) return null;
  return h("sup", {}, numbers.join(" "));
}

// The year as twelve marks, those of the season inked.
function season({ months, words }) {
  const initials = t("months").split(" ");
  const marks = initials.map((month, index) =>
    h("span", { class: months.includes(index + 1) ? "on" : null }, month.charAt(0).toUpperCase()));
  return [h("span", { class: "year", "aria-hidden": "true" }, marks), h("span", {}, words[language])];
}

function sources(species) {
  if (!species.sources.length) return null;
  const items = species.sources.map(({ title, url }) =>
    h("li", {}, h("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, title)));
  return h("details", { class: "sources" }, h("summary", {}, t("species.sources")), h("ol", {}, items));
}
