// Keeps the whole app, so that it works without a network from the second visit on.
const FILES = "__FILES__"; // name → SHA-256
const ROOT = self.registration.scope;
const CACHE = `verger-app ${ROOT}`; // others, of apps beside this one, are not ours
const keyOf = (name) => `${ROOT}${name}?${FILES[PACKED[name] ?? name]}`;
// WebAssembly is kept unpacked besides: of what has an address, a browser keeps what it compiled.
const GZIP = [0x1f, 0x8b];
const PACKED = Object.fromEntries(Object.keys(FILES).filter((name) => name.endsWith(".wasm.gz")).map((name) => [name.slice(0, -3), name]));

self.addEventListener("install", (event) => event.waitUntil(fill()));

// A page keeps to the files that it began with: a new version waits until the last one is closed.
self.addEventListener("activate", (event) => event.waitUntil(sweep().then(() => self.clients.claim())));

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(ROOT)) return;
  const name = url.href.slice(ROOT.length).split(/[?#]/)[0] || "index.html";
  if (name in FILES) event.respondWith(kept(name, event.request));
  if (name in PACKED) event.respondWith(kept(name, null).then((found) => found ?? unpacked(PACKED[name])));
});

// What has not changed since the last version is not fetched again.
async function fill() {
  const cache = await caches.open(CACHE);
  const wanted = Object.keys(FILES);
  await Promise.all(wanted.map(async (name) => (await cache.match(keyOf(name))) ?? cache.put(keyOf(name), await checked(name))));
  await Promise.all(Object.entries(PACKED).map(async ([name, packed]) => (await cache.match(keyOf(name))) ?? cache.put(keyOf(name), await unpacked(packed))));
}

// Some hosts unpack what they send.
async function unpacked(name) {
  const bytes = new Uint8Array(await (await kept(name, ROOT + name)).arrayBuffer());
  const isPacked = GZIP.every((byte, at) => bytes[at] === byte);
  const body = isPacked ? new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")) : bytes;
  return new Response(body, { headers: { "Content-Type": "application/wasm" } });
}

// The page lies at the root of the app; hosts that know no such thing have it by its name.
async function checked(name) {
  const answer = (name === "index.html" && (await asked("", name))) || (await asked(name, name));
  if (!answer) throw new Error(`${name} is missing, or of another version`);
  return answer;
}

// Data have their hash in their name, so that any copy is the right one. Of the others a host may be
// about to send older ones: then this version does not begin.
async function asked(address, name) {
  const isData = name.includes(FILES[name].slice(0, 12));
  const answer = await fetch(ROOT + address, { cache: isData ? "default" : "no-cache" });
  if (!answer.ok) return null;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await answer.clone().arrayBuffer()));
  const text = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const unpacked = isData && answer.headers.has("Content-Encoding"); // by a host that knows .gz
  return text === FILES[name] || unpacked ? answer : null;
}

async function sweep() {
  const cache = await caches.open(CACHE);
  const wanted = new Set([...Object.keys(FILES), ...Object.keys(PACKED)].map(keyOf));
  const there = await cache.keys();
  await Promise.all(there.filter(({ url }) => !wanted.has(url)).map((request) => cache.delete(request)));
}

async function kept(name, request) {
  const found = await caches.match(keyOf(name), { cacheName: CACHE });
  return found ?? (request && fetch(request));
}
