// An answer, as a herbarium sheet: the specimen, its determination, what it was compared with.

import { capital, h } from "./dom.js";
import { gallery, thumbnail } from "./gallery.js";
import { card } from "./species.js";
import { viewer } from "./viewer.js";
import { called, inWords, language, locale, percent, pretty, speciesBeside, step, t } from "./words.js";

const LEAST = 0.01; // of a candidate, to be shown
const NAMES = new Set(["variety", "group"]); // verdicts that claim a name

// photos: the list of one's own, an element; urls: their addresses; actions: what can be done now
export function answered(answer, photos, urls, actions) {
  const species = speciesOf(answer);
  const told = answer.verdict !== "unknown";
  return [
    h("article", { class: `sheet answer ${NAMES.has(answer.verdict) ? "named" : "doubt"}` },
      photos,
      h("div", { class: "determination" },
        h("p", { class: "kicker" }, t("answer.determination")),
        h("h1", { class: "title" }, headline(answer)),
        species ? h("p", { class: "latin" }, latin(answer, species)) : null,
        pictures(answer),
        answer.verdict === "variety" ? null : h("p", { class: "verdict" }, sentence(answer)),
        told ? scale(answer.confidence) : null,
        answer.close && told ? h("p", { class: "note" }, t("answer.close")) : null,
        h("p", { class: "signed" }, signature(answer))),
      actions),
    told ? candidates(answer) : null,
    lookalikes(answer, urls),
    species ? card(species) : null,
  ].filter(Boolean);
}

// The species that an answer claims, or whose variety; undefined where it claims none, or where
// nothing is known of it.
export function speciesOf(answer) {
  if (!NAMES.has(answer.verdict)) return undefined;
  const named = answer.verdict === "variety" ? answer.labels[0] : answer.groups[0];
  return answer.species[named?.species];
}

// What a species, or a label without one, is called: "a lemon".
function asOne({ group, species }, answer) {
  return answer.species[species]?.names[language].with_article ?? pretty(group);
}

// Of two that it may be: a photo of each.
function pictures(answer) {
  if (answer.verdict !== "ambiguous") return null;
  const two = answer.groups.slice(0, 2).map((group) =>
    h("li", {}, picture(group.photo, ""), h("b", {}, capital(asOne(group, answer)))));
  return h("ul", { class: "two" }, two);
}

export function headline(answer) {
  if (!answer.labels.length) return t("answer.unlabelled");
  if (answer.verdict === "unknown") return t("answer.unknown");
  if (answer.verdict === "unfamiliar") return t("answer.unfamiliar", { what: asOne(answer.groups[0], answer) });
  if (answer.verdict === "ambiguous") {
    const [one, other] = answer.groups.map((group) => asOne(group, answer));
    return capital(other ? t("answer.ambiguous", { one, other }) : one);
  }
  const species = speciesOf(answer);
  if (answer.verdict === "variety") return capital(called(answer.labels[0].label, species?.names));
  return species ? capital(species.names[language].name) : pretty(answer.groups[0].group);
}

// The species in Latin; of a variety, in words first.
function latin(answer, species) {
  const name = h("i", { lang: "la" }, species.scientific_name);
  const beside = answer.verdict === "variety" ? speciesBeside(answer.labels[0].label, species.names) : null;
  return beside ? h("span", {}, capital(beside), ", ", name) : name;
}

function sentence(answer) {
  return t(answer.labels.length ? `answer.${answer.verdict}_why` : "answer.unlabelled_why");
}

function signature({ photos }) {
  const day = new Intl.DateTimeFormat(locale(), { dateStyle: "long" }).format(new Date());
  const from = photos === 1 ? t("answer.seen_one") : t("answer.seen_many", { n: photos });
  return `Det. Verger, ${day}, ${from}`;
}

// Five strokes of ink, and the same in words.
function scale(share) {
  const filled = step(share);
  const strokes = [1, 2, 3, 4, 5].map((at) => h("span", { class: at <= filled ? "on" : null }));
  const words = t("confidence.scale", { words: inWords(share), percent: percent(share) });
  return h("p", { class: "scale" }, h("span", { class: "strokes", "aria-hidden": "true" }, strokes), h("span", {}, words));
}

// What stands above is told once: here is what else it may be.
function candidates(answer) {
  const isOnly = answer.labels[0]?.confidence === answer.groups[0]?.confidence; // the species' one label that counts
  const named = answer.verdict === "variety" || (answer.verdict === "unfamiliar" && isOnly);
  const worth = answer.labels.slice(named ? 1 : 0).filter(({ confidence }) => confidence >= LEAST);
  if (!worth.length) return null;
  const items = worth.map((guess) => {
    const names = answer.species[guess.species]?.names;
    const here = names ? speciesBeside(guess.label, names) : null;
    return h("li", {},
      h("a", { class: "candidate", href: `#/variety/${encodeURIComponent(guess.label)}` },
        picture(guess.photo, ""),
        h("span", { class: "what" },
          h("b", {}, capital(called(guess.label, names))),
          here ? h("small", {}, here) : null),
        scale(guess.confidence)));
  });
  const title = t(named ? "answer.others" : "answer.candidates");
  return h("section", { class: "card" }, h("h2", { class: "section" }, title), h("ol", { class: "candidates" }, items));
}

// A tap shows one large, beside one's own.
function lookalikes(answer, urls) {
  if (!answer.neighbours.length) return null;
  const names = new Map(answer.labels.map(({ label, species }) => [label, answer.species[species]?.names]));
  const name = ({ label }) => (label === null ? "" : capital(called(label, names.get(label))));
  const near = answer.neighbours.map((one) => ({ ...one, name: name(one) }));
  const items = near.map((one, at) =>
    h("li", {},
      h("button", { type: "button", class: "near", onclick: () => viewer(near, at, urls) },
        picture(one.photo, ""),
        h("b", {}, one.name || t("answer.unnamed")),
        h("small", {}, alike(one)))));
  return h("section", { class: "card" },
    h("h2", { class: "section" }, t("answer.lookalikes")),
    h("ul", { class: "photos near" }, items),
    files(answer.neighbours));
}

export const alike = ({ similarity }) => t("answer.similar", { percent: percent(Math.max(similarity, 0)) });

// Where photos come from, for those who want to know; a path may break after a slash.
export function files(photos) {
  const known = photos.filter(({ path }) => path); // the app has none
  if (!known.length) return null;
  const items = known.map(({ path }) =>
    h("li", {}, h("small", { class: "path" }, path.split(/(?<=\/)/).flatMap((piece) => [piece, h("wbr")]))));
  return h("details", { class: "sources" }, h("summary", {}, t("answer.files")), h("ol", {}, items));
}

export function picture(photo, alt) {
  const image = h("img", { alt, width: "96", height: "96", decoding: "async" });
  if (photo !== null) {
    gallery().then(
      (known) => image.setAttribute("src", thumbnail(photo, known.gallery)),
      () => image.setAttribute("src", thumbnail(photo, "")),
    );
  }
  return h("span", { class: "picture" }, image);
}
