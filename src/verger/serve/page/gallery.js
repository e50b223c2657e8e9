// What the server's gallery holds; asked for once.

let asked = null;

export function gallery() {
  asked ??= get("api/labels");
  asked.catch(() => (asked = null));
  return asked;
}

export const label = (name) => get(`api/labels/${encodeURIComponent(name)}`);

export async function get(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw Object.assign(new Error(answer.statusText), { status: answer.status });
  return answer.json();
}

// The address of a small photo; with the gallery's fingerprint it may be kept for good.
export const thumbnail = (photo, fingerprint) => `api/photos/${photo}/thumbnail?gallery=${fingerprint}`;
