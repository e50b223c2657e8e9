// Photos before they are sent: made smaller, and without what else the file told.

import { gallery } from "./gallery.js";
import { frameOf, profileOf } from "./jpeg.js";
import { pixelsOf, read } from "./pixels.js";
import { png } from "./png.js";

export const MOST = 5;
const SIDE = 256; // pixels, where the server does not say how many it looks at
const MOST_PIXELS = 4_000_000; // of what is sent

// Returns { file, blob, url }: blob is what is sent. url is null where the browser cannot show the
// file (HEIC in most), which is then sent as it is.
export async function prepare(file) {
  try {
    const side = await gallery().then(({ shorter_side }) => shorter_side, () => SIDE);
    return { file, blob: await smaller(file, side), url: URL.createObjectURL(file) };
  } catch {
    return { file, blob: file, url: null };
  }
}

// The picture as the server's decoder would give it, so that the answer is that to the file: turned
// no more than there, and in the colours of the file, which the PNG names.
async function smaller(file, side) {
  const photo = await read(file);
  const inOwnColours = photo.kind === "image/jpeg" && frameOf(photo.bytes)?.bands === 3;
  const pixels = await pixelsOf(photo, side, { colours: inOwnColours ? "none" : "default", most: MOST_PIXELS });
  return png(pixels, photo.turn, inOwnColours ? profileOf(photo.bytes) : null);
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
