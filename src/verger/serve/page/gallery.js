// What the server's gallery holds; asked for again after a while, and when an answer names another.

import { learn } from "./words.js";

const FRESH = 60_000; // milliseconds
let asked = null;
let since = 0;

export function gallery() {
  if (!asked || Date.now() - since > FRESH) {
    since = Date.now();
    asked = get("api/v1/labels");
    asked.then(({ labels }) => learn(labels), () => (asked = null));
  }
  return asked;
}

// An answer came from this gallery: what is known of another one is of no use any more.
export async function answeredBy(fingerprint) {
  const known = await gallery().catch(() => null);
  if (known && known.gallery !== fingerprint) asked = null;
}

export const label = (name) => get(`api/v1/labels/${encodeURIComponent(name)}`);

export async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) {
    answer.body?.cancel(); // or the request stays open
    throw Object.assign(new Error(answer.statusText), { status: answer.status });
  }
  return answer.json();
}

// The address of a small photo; with the gallery's fingerprint it may be kept for good.
export const thumbnail = (photo, fingerprint) => `api/v1/photos/${photo}/thumbnail?gallery=${fingerprint}`;
