// What the app's gallery holds: it came with the app, and changes with it.

import { load, loadJson } from "./tables.js";

let read = null;

export function gallery() {
  read ??= open();
  read.catch(() => (read = null));
  return read;
}

let pictures = [];

async function open() {
  const [header, bytes] = await Promise.all([loadJson("gallery"), load("pictures")]);
  // Photo → the address of its picture; not all have one.
  pictures = header.pictures.map((end, photo) => {
    const start = photo ? header.pictures[photo - 1] : 0;
    return end > start ? URL.createObjectURL(new Blob([bytes.subarray(start, end)], { type: "image/webp" })) : "";
  });
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

export const thumbnail = (photo) => pictures[photo] || "icon.svg";
