// From photos to an answer: choosing, sending, waiting, answering, failing.

import { answered, headline, picture } from "./answer.js";
import { announce, capital, focus, h, icon, show } from "./dom.js";
import { answeredBy, gallery } from "./gallery.js";
import { keyError, keyForm } from "./key.js";
import { wasRight } from "./history.js";
import { keep } from "./kept.js";
import { camera, forget, MOST, prepare, send } from "./photos.js";
import { canShare, share } from "./share.js";
import { called, has, number, t } from "./words.js";

const TRIES = 3;
const TASTE = 8;
// Problems that may be gone the next time; any other one would come again with the same photos.
const PASSING = new Set(["network", "offline", "overloaded", "timed-out", "too-many-requests", "too-slow", "internal"]);

// phase: home, working, answer or problem
const state = { phase: "home", photos: [], answer: null, entry: null, problem: null, status: "", share: null, tooMany: false };
let abort = null;

export function view() {
  const views = { home, working, answer: done, problem };
  show(...views[state.phase]());
}

// What comes while another view is looked at, as an answer may, waits there for its reader.
const isShown = () => ["", "content"].includes(location.hash.replace(/^#\/?/, ""));

function refresh() {
  if (!isShown()) return;
  view();
  focus(document.querySelector("#content h1"));
}

export function listen() {
  addEventListener("paste", (event) => chosen(event.clipboardData?.files));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    chosen(event.dataTransfer?.files);
  });
}

function home() {
  const known = h("section", { class: "card known", hidden: true });
  gallery().then((all) => known.isConnected && all.labels.length && fill(known, all), () => {});
  return [
    h("section", { class: "sheet hero" },
      h("h1", { class: "title" }, t("home.title")),
      h("p", { class: "lead" }, t("home.lead")),
      h("div", { class: "actions" },
        camera(chosen) ?? picker("home.camera", "camera", "button primary", { capture: "environment" }),
        picker("home.files", "photos", "button", { multiple: true })),
      h("p", { class: "drop" }, t("home.drop")),
      h("p", { class: "note" }, t("home.privacy"))),
    known,
  ];
}

// A few of the varieties, spread over all of them: of each species one first, and what is none last.
function fill(known, { photos, labels }) {
  const species = [...new Map(labels.filter((label) => label.species).reverse().map((label) => [label.species, label])).values()].reverse();
  const others = labels.filter((label) => !species.includes(label)).sort((a, b) => Number(!a.species) - Number(!b.species));
  const spread = Array.from({ length: Math.min(TASTE, species.length) }, (_, at) => species[Math.floor((at * species.length) / Math.min(TASTE, species.length))]);
  const some = [...spread, ...others].slice(0, TASTE);
  known.append(
    h("h2", { class: "section" }, t("home.known"), h("small", {}, t(labels.length === 1 ? "home.counts_one" : "home.counts", { photos: number(photos), labels: number(labels.length) }))),
    h("ul", { class: "photos taste" }, some.map(({ label, photo, names }) =>
      h("li", {}, h("a", { href: `#/variety/${encodeURIComponent(label)}` }, picture(photo, ""), h("b", {}, capital(called(label, names))))))),
    h("p", {}, h("a", { href: "#/varieties" }, t("home.all"))));
  known.hidden = false;
}

// A label around a file input: the browser's own control, ours only to look at.
function picker(key, picture, className, attributes) {
  const input = h("input", {
    type: "file",
    accept: "image/*,.heic,.heif,.avif",
    onchange: () => chosen(input.files),
    ...attributes,
  });
  return h("label", { class: className }, input, icon(picture), h("span", {}, t(key)));
}

async function chosen(files) {
  const room = MOST - state.photos.length;
  const picked = [...(files ?? [])].filter((file) => file.type.startsWith("image/") || !file.type || files.length === 1);
  if (!picked.length || state.phase === "working" || room < 1) return;
  if (state.phase === "problem") reset();
  if (!isShown()) location.hash = "#/";
  state.tooMany = picked.length > room;
  begin(state.tooMany ? t("photos.too_many", { n: MOST }) : t("work.preparing"));
  const mine = abort;
  for (const file of picked.slice(0, MOST - state.photos.length)) {
    const photo = await prepare(file);
    if (mine.signal.aborted) return forget([photo]);
    state.photos.push(photo);
    if (isShown()) view();
  }
  await ask(mine);
}

function begin(status) {
  abort = new AbortController();
  Object.assign(state, { phase: "working", problem: null, status, share: null });
  announce(status);
  refresh();
}

async function ask(mine) {
  try {
    state.answer = await persist(mine.signal);
    await answeredBy(state.answer.gallery);
    state.phase = "answer";
    await remember();
  } catch (problem) {
    if (problem.word === "cancelled" || mine.signal.aborted) return;
    Object.assign(state, { phase: "problem", problem });
  }
  announce(state.phase === "answer" ? t("answer.announce", { name: headline(state.answer) }) : "");
  refresh();
}

// Another photo of the same fruit makes it the same entry.
async function remember() {
  const photos = state.photos.map(({ file }) => ({ blob: file }));
  const entry = { ...(state.entry ?? { at: Date.now(), truth: null }), photos, answer: state.answer };
  const id = await keep(entry);
  state.entry = id === null ? null : { ...entry, id };
}

// A server that is busy says when to come back; a person should not have to.
async function persist(signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await send(state.photos, sending, signal);
    } catch (problem) {
      if (!problem.retry || problem.retry > 10 || tries === TRIES) throw problem;
      for (let seconds = problem.retry; seconds > 0; seconds -= 1) {
        tell(t("work.busy", { seconds }), null);
        await new Promise((done) => setTimeout(done, 1000));
        if (signal.aborted) throw { word: "cancelled" };
      }
    }
  }
}

function sending(share) {
  if (share < 1) tell(t("work.sending", { percent: Math.round(share * 100) }), share, false);
  else tell(t("work.looking"), null);
}

function tell(status, share, spoken = true) {
  Object.assign(state, { status, share });
  const line = document.getElementById("work-status");
  const bar = document.getElementById("work-bar");
  if (!line) return;
  line.textContent = status;
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  if (spoken) announce(status);
}

function working() {
  return [
    h("section", { class: "sheet working", "aria-busy": "true" },
      h("h1", { class: "title small" }, t("photos.yours")),
      mounted(true),
      h("p", { id: "work-status", class: "lead" }, state.status),
      h("progress", { id: "work-bar", max: "1", value: state.share, "aria-labelledby": "work-status" }),
      h("div", { class: "actions" }, h("button", { type: "button", class: "button", onclick: cancel }, t("work.cancel")))),
  ];
}

function cancel() {
  abort?.abort();
  reset();
  view();
  announce(t("work.cancelled"));
  focus(document.querySelector("#content h1"));
}

function reset() {
  forget(state.photos);
  Object.assign(state, { phase: "home", photos: [], answer: null, entry: null, problem: null, tooMany: false });
}

function done() {
  const add = state.photos.length < MOST ? picker("answer.add", "plus", "button primary", { multiple: true }) : null;
  const left = state.tooMany ? h("p", { class: "note" }, t("photos.too_many", { n: MOST })) : null;
  const shared = h("button", { type: "button", class: "button", onclick: () => share(state.answer, state.photos[0]?.file) },
    icon("share"), h("span", {}, t(canShare() ? "answer.share" : "answer.save")));
  const actions = h("div", { class: "actions" }, left, add, againButton(), shared, state.entry ? wasRight(state.entry) : null);
  return answered(state.answer, mounted(false), state.photos.map(({ url }) => url).filter(Boolean), actions);
}

function againButton() {
  return h("button", { type: "button", class: "button", onclick: again }, icon("again"), h("span", {}, t("answer.again")));
}

function again() {
  reset();
  view();
  scrollTo(0, 0);
  focus(document.querySelector("#content h1"));
}

function problem() {
  const { word, detail, message, photo } = state.problem;
  const key = word === "no-key" ? keyError() : `error.${word}`;
  const text = has(key) ? t(key, { photo: photo ?? 1 }) : message || t("error.other", { detail });
  const button = (key, onclick) => h("button", { type: "button", class: "button primary", onclick }, t(key));
  const retry = () => {
    begin(t("work.looking"));
    ask(abort);
  };
  const without = () => {
    forget(state.photos.splice(photo - 1, 1));
    retry();
  };
  let way = null;
  if (PASSING.has(word)) way = button("error.again", retry);
  else if (photo && state.photos.length > 1) way = button("error.without", without);
  return [
    h("section", { class: "sheet problem" },
      h("h1", { class: "title small" }, t("error.title")),
      h("p", { class: "lead", role: "alert" }, text),
      word === "no-key" ? keyForm(retry) : null,
      mounted(false),
      h("div", { class: "actions" }, way, againButton())),
  ];
}

// The photos as they lie on a herbarium sheet; what the browser cannot show says so.
function mounted(busy) {
  const blank = () => h("span", { class: "blank" }, t("photos.no_preview"));
  const items = state.photos.map(({ url }, index) => {
    const alt = t("photos.one", { n: index + 1 });
    return h("li", {}, url ? h("img", { src: url, alt, onerror: ({ target }) => target.replaceWith(blank()) }) : blank());
  });
  return h("ul", { class: busy ? "mounted busy" : "mounted", "data-count": String(items.length) }, items);
}
