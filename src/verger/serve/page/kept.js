// What was asked before, kept in this browser and nowhere else: photos, answers, and what was right.

import { kindOf } from "./kinds.js";

const NAME = "verger";
const STORE = "asked";
const MOST = 100; // the oldest go

let opened = null;

function database() {
  opened ??= new Promise((done, failed) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  return opened;
}

async function ask(mode, question) {
  const store = (await database()).transaction(STORE, mode).objectStore(STORE);
  const request = question(store);
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
}

// Keeps { at, photos: [{ blob }], answer, truth } and returns its number, which is null where
// the browser keeps nothing (a private window, a full disk). `truth` is what it was: a label, or null.
export async function keep(entry) {
  try {
    const { id, ...rest } = entry;
    const number = await ask("readwrite", (store) => store.put(id ? entry : rest));
    const numbers = await ask("readonly", (store) => store.getAllKeys());
    for (const old of numbers.slice(0, Math.max(0, numbers.length - MOST))) await forget(old);
    return number;
  } catch {
    return null;
  }
}

// All that is kept, the latest first.
export const all = () => ask("readonly", (store) => store.getAll()).then((found) => found.reverse(), () => []);

export const forget = (id) => ask("readwrite", (store) => store.delete(id)).catch(() => {});

export const clear = () => ask("readwrite", (store) => store.clear()).catch(() => {});

// The photos whose fruit is known by now, and a list of them that `verger run --label-from` takes. A run looks
// for photos by their endings, and not every browser knows the type of each: it is read from the content.
export async function known(entries) {
  const photos = await Promise.all(entries.filter(({ truth }) => truth).flatMap(({ id, photos, truth }) =>
    photos.map(async ({ blob }, at) => ({ name: `${id}-${at + 1}.${await ending(blob)}`, blob, truth }))));
  const rows = [["path", "label"], ...photos.map(({ name, truth }) => [name, truth])];
  const text = rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  return [["labels.csv", new Blob([text])], ...photos.map(({ name, blob }) => [name, blob])];
}

async function ending(blob) {
  const first = new Uint8Array(await blob.slice(0, 16).arrayBuffer());
  return kindOf(first)?.replace("image/", "") ?? "photo";
}

// Nothing that a spreadsheet would take for a formula.
function cell(text) {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
