// The page's side of the worker that looks at photos.

let worker = null;
let waiting = new Map();
let number = 0;
let hears = () => {};

// A worker from a blob keeps to the policy of the page, whatever the host sends along with files. Its
// name says whether the app is kept on this device.
function start() {
  const source = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  worker = new Worker(url, { type: "module", name: navigator.serviceWorker?.controller ? "kept" : "" });
  worker.onmessage = ({ data }) => {
    if (data.loaded !== undefined) hears(data.loaded);
    else if (data.failed !== undefined) fail();
    else if (data.id !== undefined) settle(data);
  };
  worker.onerror = fail;
}

// Asks for a "look", a "name" or a "glance". Rejects with { word, detail }.
export function ask(kind, asked = {}, transfer = []) {
  if (!worker) start();
  const id = (number += 1);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, kind, asked }, transfer);
  });
}

// Begins to load what photos are looked at with; `hear` is told the share that is there.
export function warmUp(hear) {
  if (hear) hears = hear;
  if (!worker) start();
}

function settle({ id, answer, problem }) {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (problem) reject(problem);
  else resolve(answer);
}

function fail() {
  worker?.terminate();
  worker = null;
  const lost = waiting;
  waiting = new Map();
  for (const { reject } of lost.values()) reject({ word: navigator.onLine ? "network" : "offline" });
}
