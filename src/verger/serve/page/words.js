// The two languages, the one that is chosen, and how numbers and labels are written in it.

import messages from "./messages.js";

const COOKIE = "verger-language";
const YEAR = 31536000;

export let language = chosen();

function chosen() {
  const kept = document.cookie.match(/(?:^|; )verger-language=(\w+)/)?.[1];
  const wanted = [kept, ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
  return wanted.find((code) => code in messages) ?? document.documentElement.lang;
}

export function t(key, values = {}) {
  const text = messages[language][key] ?? messages.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function has(key) {
  return key in messages[language];
}

export function choose(code) {
  language = code;
  document.cookie = `${COOKIE}=${code}; Max-Age=${YEAR}; Path=${location.pathname}; SameSite=Strict`;
  translate();
}

export function other() {
  return t("other_code");
}

// Brings what the server wrote into the page to the chosen language.
export function translate() {
  document.documentElement.lang = language;
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
  }
  const button = document.getElementById("language");
  button.textContent = t("other");
  button.lang = other();
  button.title = t("switch");
  button.setAttribute("aria-label", t("switch"));
}

// Dates and numbers as its reader writes them: 30 November in London, November 30 in Boston.
export const locale = () => navigator.languages.find((tag) => tag.slice(0, 2).toLowerCase() === language) ?? language;

export const number = (value) => new Intl.NumberFormat(locale()).format(value);
export const percent = (share) => Math.round(share * 100);

// "Golden-Delicious" and "apple_golden_1" as people write them.
export const pretty = (label) => label.replace(/[-_]+/g, " ").trim() || label;

// What people call labels: label → { en, fr }, as the gallery told.
const people = new Map();

export function learn(labels) {
  people.clear();
  for (const { label, called: words } of labels) if (words) people.set(label, words);
}

// A label in its reader's words ("Pomme Golden 1"); names are those of its species.
export function called(label, names) {
  const own = people.get(label)?.[language];
  if (own) return own;
  return names && namesSpecies(label, names) ? names[language].name : pretty(label);
}

// The species of a label, to stand beside it; null where the label says it: "Fig", "Beef tomato".
export function speciesBeside(label, names) {
  const said = called(label, names).toLowerCase();
  const name = names[language].name;
  return said.includes(name.toLowerCase()) || name.toLowerCase().includes(said) ? null : name;
}

// A label that names the species itself, and no variety of it.
function namesSpecies(label, names) {
  const said = pretty(label).replace(/\d+/g, "").trim().toLowerCase();
  return Object.values(names).some(({ name, plural }) => said === name.toLowerCase() || said === plural.toLowerCase());
}

// A probability as words; the steps are those of the page's scale, from 1 to 5.
export function step(share) {
  return 1 + [0.3, 0.55, 0.75, 0.93].filter((bound) => share >= bound).length;
}

export const inWords = (share) => t(`confidence.${step(share)}`);
