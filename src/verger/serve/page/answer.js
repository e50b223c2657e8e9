// An answer, as a herbarium sheet: the specimen, its determination, what it was compared with.

import { capital, h } from "./dom.js";
import { gallery, thumbnail } from "./gallery.js";
import { card } from "./species.js";
import { inWords, language, percent, pretty, step, t } from "./words.js";

const LEAST = 0.01; // of a candidate, to be shown

export function answered(answer, photos, actions) {
  const named = answer.verdict === "variety" ? answer.labels[0] : answer.groups[0];
  const species = answer.species[named?.species];
  const unsure = answer.verdict === "unsure";
  return [
    h("article", { class: `sheet answer ${answer.verdict}` },
      photos,
      h("div", { class: "determination" },
        h("p", { class: "kicker" }, t("answer.determination")),
        h("h1", { class: "title" }, headline(answer, species)),
        species && !unsure ? h("p", { class: "latin" }, latin(answer, species)) : null,
        h("p", { class: "verdict" }, sentence(answer, species)),
        unsure ? null : scale(claimed(answer)),
        h("p", { class: "signed" }, signature(answer))),
      actions),
    candidates(answer),
    lookalikes(answer),
    species && !unsure ? card(species) : null,
  ].filter(Boolean);
}

const claimed = ({ verdict, labels, groups }) => (verdict === "variety" ? labels : groups)[0]?.confidence ?? 0;

// A label such as "Fig" names the species itself, and no variety of it.
function namesSpecies({ verdict, labels }, species) {
  if (!species || verdict === "group") return Boolean(species);
  const said = pretty(labels[0].label).replace(/\d+/g, "").trim().toLowerCase();
  return Object.values(species.names).some(({ name, plural }) => said === name.toLowerCase() || said === plural.toLowerCase());
}

function headline(answer, species) {
  if (answer.verdict === "unsure") return t("answer.unsure");
  if (answer.verdict === "variety" && !namesSpecies(answer, species)) return pretty(answer.labels[0].label);
  return species ? capital(species.names[language].name) : pretty(answer.groups[0].group);
}

function latin(answer, species) {
  const name = h("i", { lang: "la" }, species.scientific_name);
  return !namesSpecies(answer, species) ? h("span", {}, capital(species.names[language].name), ", ", name) : name;
}

function sentence(answer, species) {
  if (answer.verdict === "unsure") return t("answer.unsure_why");
  const claim = (what) => t(`claim.${step(claimed(answer))}`, { what });
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
  const title = answer.verdict === "unsure" ? "answer.candidates_unsure" : "answer.candidates";
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
  return h("section", { class: "card" }, h("h2", { class: "section" }, t(title)), h("ol", { class: "candidates" }, items));
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
