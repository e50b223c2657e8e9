// What the app's gallery holds: it came with the app, and changes with it.

import { load, loadJson } from "./tables.js";
import { learn } from "./words.js";

let read = null;

export function gallery() {
  read ??= open();
  read.catch(() => (read = null));
  return read;
}

// Photo → where its picture ends among all of them; and the addresses of those that were shown.
let pictures = { ends: [], bytes: null };
const addresses = new Map();

async function open() {
  const [header, bytes] = await Promise.all([loadJson("gallery"), load("pictures")]);
  pictures = { ends: header.pictures, bytes };
  learn(header.labels);
  return header;
}

export async function answeredBy() {
  await gallery().catch(() => {});
}

export async function label(name) {
  const { labels, species, ...header } = await gallery();
  const found = labels.find(({ label: own }) => own === name);
  if (!found) throw Object.assign(new Error(name), { status: 404 });
  const examples = found.examples.map((photo) => ({ photo, path: "" }));
  return { gallery: header.gallery, label: name, photos: found.photos, examples, species: species[found.species] ?? null };
}

// The address of a small photo; not all have one.
export function thumbnail(photo) {
  const { ends, bytes } = pictures;
  const start = ends[photo - 1] ?? 0;
  if (!(ends[photo] > start)) return "icon.svg";
  if (!addresses.has(photo)) {
    const picture = new Blob([bytes.subarray(start, ends[photo])], { type: "image/webp" });
    addresses.set(photo, URL.createObjectURL(picture));
  }
  return addresses.get(photo);
}
