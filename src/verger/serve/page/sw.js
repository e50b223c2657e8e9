// Keeps the page itself, so that it opens without a network, and what was browsed last.
const VERSION = "__VERSION__";
const SHELL = "verger-shell-" + VERSION;
const SEEN = "verger-seen";
const MOST_SEEN = 400;
const FILES = "__SHELL__";
const at = (file) => new URL(file, self.registration.scope).href;
const SHELL_URLS = new Set(FILES.map(at));

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(SHELL)
      .then((cache) => cache.addAll(FILES.map((file) => new Request(at(file), { cache: "no-cache" }))))
      // The first visit asks for it before this worker is there to keep the answer.
      .then(() => latest(new Request(at("api/v1/labels"))))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(
        names.filter((name) => name !== SHELL && name !== SEEN).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const path = url.origin + url.pathname;
  if (SHELL_URLS.has(path)) event.respondWith(fresh(request, path));
  else if (path.startsWith(at("api/v1/photos/"))) event.respondWith(kept(request));
  else if (path.startsWith(at("api/v1/labels"))) event.respondWith(latest(request));
});

// The network first, so that a new version shows at once; the kept copy where there is none.
async function fresh(request, path) {
  try {
    return await fetch(request);
  } catch {
    return (await caches.match(path, { ignoreVary: true })) ?? Response.error();
  }
}

async function latest(request) {
  try {
    const answer = await fetch(request);
    if (answer.ok) await keep(request, answer.clone());
    return answer;
  } catch {
    return (await caches.match(request, { ignoreVary: true })) ?? Response.error();
  }
}

// A photo's address holds the gallery's fingerprint: what was kept is still right.
async function kept(request) {
  const found = await caches.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) await keep(request, answer.clone());
  return answer;
}

async function keep(request, answer) {
  const cache = await caches.open(SEEN);
  await cache.put(request, answer);
  const keys = await cache.keys();
  if (keys.length > MOST_SEEN) {
    await Promise.all(keys.slice(0, keys.length - MOST_SEEN).map((key) => cache.delete(key)));
  }
}
