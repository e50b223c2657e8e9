// An answer, as a herbarium sheet: the specimen, its determination, what it was compared with.

import { capital, h } from "./dom.js";
import { gallery, thumbnail } from "./gallery.js";
import { card } from "./species.js";
import { inWords, language, percent, pretty, step, t } from "./words.js";

const LEAST = 0.01; // of a candidate, to be shown
const NAMES = new Set(["variety", "group"]); // verdicts that claim a name

// What an answer comes to, in a few words.
export const title = (answer) => headline(answer, speciesOf(answer));

function speciesOf(answer) {
  const named = answer.verdict === "variety" ? answer.labels[0] : answer.groups[0];
  return answer.species[named?.species];
}

export function answered(answer, photos, actions) {
  const species = speciesOf(answer);
  const told = answer.verdict !== "unknown";
  return [
    h("article", { class: `sheet answer ${NAMES.has(answer.verdict) ? "named" : "doubt"}` },
      photos,
      h("div", { class: "determination" },
        h("p", { class: "kicker" }, t("answer.determination")),
        h("h1", { class: "title" }, headline(answer, species)),
        species && NAMES.has(answer.verdict) ? h("p", { class: "latin" }, latin(answer, species)) : null,
        pictures(answer),
        h("p", { class: "verdict" }, sentence(answer, species)),
        told ? scale(answer.confidence) : null,
        answer.close && told ? h("p", { class: "note" }, t("answer.close")) : null,
        h("p", { class: "signed" }, signature(answer))),
      actions),
    told ? candidates(answer) : null,
    lookalikes(answer),
    species && NAMES.has(answer.verdict) ? card(species) : null,
  ].filter(Boolean);
}

// What a species, or a label without one, is called: "a lemon".
function called({ group, species }, answer) {
  return answer.species[species]?.names[language].with_article ?? pretty(group);
}

// Of two that it may be: a photo of each.
function pictures(answer) {
  if (answer.verdict !== "ambiguous") return null;
  const two = answer.groups.slice(0, 2).map((group) =>
    h("li", {}, picture(group.photo, ""), h("b", {}, called(group, answer))));
  return h("ul", { class: "two" }, two);
}

// A label such as "Fig" names the species itself, and no variety of it.
function namesSpecies({ verdict, labels }, species) {
  if (!species || verdict === "group") return Boolean(species);
  const said = pretty(labels[0].label).replace(/\d+/g, "").trim().toLowerCase();
  return Object.values(species.names).some(({ name, plural }) => said === name.toLowerCase() || said === plural.toLowerCase());
}

function headline(answer, species) {
  if (!answer.labels.length) return t("answer.unlabelled");
  if (answer.verdict === "unknown") return t("answer.unknown");
  if (answer.verdict === "unfamiliar") return t("answer.unfamiliar", { what: called(answer.groups[0], answer) });
  if (answer.verdict === "ambiguous") {
    const [one, other] = answer.groups.map((group) => called(group, answer));
    return capital(other ? t("answer.ambiguous", { one, other }) : one);
  }
  if (answer.verdict === "variety" && !namesSpecies(answer, species)) return pretty(answer.labels[0].label);
  return species ? capital(species.names[language].name) : pretty(answer.groups[0].group);
}

function latin(answer, species) {
  const name = h("i", { lang: "la" }, species.scientific_name);
  return !namesSpecies(answer, species) ? h("span", {}, capital(species.names[language].name), ", ", name) : name;
}

function sentence(answer, species) {
  if (!answer.labels.length) return t("answer.unlabelled_why");
  if (!NAMES.has(answer.verdict)) return t(`answer.${answer.verdict}_why`);
  const claim = (what) => t(`claim.${step(answer.confidence)}`, { what });
  if (answer.verdict === "variety") {
    return `${claim(namesSpecies(answer, species) ? species.names[language].with_article : t("answer.this"))}.`;
  }
  const what = species ? species.names[language].with_article : pretty(answer.groups[0].group);
  return t("answer.group", { claim: claim(what) });
}

function signature({ photos }) {
  const day = new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(new Date());
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

function candidates(answer) {
  if (!answer.labels.length) return null;
  const worth = answer.labels.filter((guess, at) => at === 0 || guess.confidence >= LEAST);
  const items = worth.map((guess) => {
    const name = answer.species[guess.species]?.names[language].name;
    return h("li", {},
      h("a", { class: "candidate", href: `#/variety/${encodeURIComponent(guess.label)}` },
        picture(guess.photo, ""),
        h("span", { class: "what" },
          h("b", {}, pretty(guess.label)),
          name && name.toLowerCase() !== pretty(guess.label).toLowerCase() ? h("small", {}, name) : null),
        scale(guess.confidence)));
  });
  return h("section", { class: "card" }, h("h2", { class: "section" }, t("answer.candidates")), h("ol", { class: "candidates" }, items));
}

function lookalikes(answer) {
  if (!answer.neighbours.length) return null;
  const items = answer.neighbours.map(({ photo, path, label, similarity }) => {
    const name = label === null ? "" : pretty(label);
    const alike = t("answer.similar", { percent: percent(Math.max(similarity, 0)) });
    return h("li", {},
      h("figure", {},
        picture(photo, name),
        h("figcaption", {}, h("b", {}, name), h("small", {}, alike), file(path))));
  });
  return h("section", { class: "card" },
    h("h2", { class: "section" }, t("answer.lookalikes")),
    h("ul", { class: "photos near" }, items),
    h("p", { class: "note" }, t("answer.lookalikes_note")));
}

// Where a photo comes from, whole; it may break after a slash.
export function file(path) {
  const pieces = path.split(/(?<=\/)/).flatMap((piece) => [piece, h("wbr")]);
  return h("small", { class: "path" }, pieces);
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
