// Photos are looked at where they are: none leaves this device.

import { h, icon } from "./dom.js";
import { ask, warmUp } from "./engine.js";
import { hasCamera, look } from "./viewfinder.js";
import { t } from "./words.js";

export const MOST = 5;

warmUp();

// Returns { file, url, looked }: looked is a promise of the photo's features.
export async function prepare(file) {
  const looked = ask("look", { file });
  looked.catch(() => {}); // told when the answer is asked for
  return { file, url: URL.createObjectURL(file), looked };
}

// A button that opens the camera with names under it; null where the page may not have it.
export function camera(chosen) {
  if (!hasCamera()) return null;
  const open = () => look(chosen);
  return h("button", { type: "button", class: "button primary", onclick: open }, icon("camera"), h("span", {}, t("home.camera")));
}

export function forget(photos) {
  for (const photo of photos) URL.revokeObjectURL(photo.url);
}

// Names what the photos show. onSent(share) tells how much of the app is there. Rejects with
// { word, detail, photo }, or { word: "cancelled" }.
export async function send(photos, onSent, signal) {
  warmUp(onSent);
  const rows = await Promise.all(photos.map((photo, index) => features(photo, index)));
  if (signal.aborted) throw { word: "cancelled" };
  return ask("name", { rows });
}

async function features(photo, index) {
  try {
    return await photo.looked;
  } catch (problem) {
    const passing = ["network", "offline", "internal"].includes(problem.word);
    if (passing) {
      photo.looked = ask("look", { file: photo.file }); // for another try
      photo.looked.catch(() => {});
      throw problem;
    }
    throw { detail: "", ...problem, photo: index + 1 };
  }
}
