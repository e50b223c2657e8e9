// Photos before they are sent: made smaller, turned upright, without what else the file told.

import { gallery } from "./gallery.js";
import { png, shrunk } from "./shrink.js";

export const MOST = 5;
const SIDE = 256; // pixels, where the server does not say how many it looks at

// Returns { blob, url }; url is null where the browser cannot show the file (HEIC in most), which
// is then sent as it is.
export async function prepare(file) {
  try {
    const side = await gallery().then(({ shorter_side }) => shorter_side, () => SIDE);
    const blob = await png(await shrunk(file, side));
    return { blob, url: URL.createObjectURL(blob) };
  } catch {
    return { blob: file, url: null };
  }
}

// Not the page but the phone takes photos, where they are named elsewhere.
export const camera = () => null;

export function forget(photos) {
  for (const photo of photos) if (photo.url) URL.revokeObjectURL(photo.url);
}

// Sends the photos. onSent(share) tells how much has gone, 0 to 1. Resolves to the answer; rejects
// with { word, detail, photo, retry } as the server's problem, or { word: "network" }.
export function send(photos, onSent, signal) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    for (const photo of photos) form.append("photos", photo.blob, "photo");
    const request = new XMLHttpRequest(); // fetch does not tell how much of a body has gone
    request.open("POST", "api/v1/identify");
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onSent(event.loaded / event.total);
    request.upload.onload = () => onSent(1);
    request.onerror = () => reject({ word: navigator.onLine ? "network" : "offline" });
    request.onabort = () => reject({ word: "cancelled" });
    request.onload = () => {
      if (request.status === 200 && request.response) resolve(request.response);
      else reject(problem(request));
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function problem(request) {
  const said = request.response ?? {};
  const retry = Number(request.getResponseHeader("Retry-After")) || null;
  const word = String(said.type ?? "").replace("urn:verger:problem:", "") || "network";
  return { word, detail: said.detail ?? "", message: said.message, photo: said.photo, retry };
}
