// What looks at photos, beside the page, so that it stays awake: pixels → features → names.

import { Gallery } from "./names.js";
import { openNetwork } from "./network.js";
import { arraysIn, load, loadJson } from "./tables.js";
import { cut, viewsOf } from "./views.js";
import files from "./files.js";

// Of an app that is kept, the runtime has an address of its own (sw.js): compiled the first time, it is not
// compiled again.
const RUNTIME = self.name === "kept" ? new URL(files.runtime.file.replace(/\.gz$/, ""), import.meta.url).href : null;
const loaded = ["gallery", "arrays", "network", ...(RUNTIME ? [] : ["runtime"])];
const all = loaded.reduce((sum, name) => sum + files[name].bytes, 0);
let come = 0;

// What all questions wait for.
const opened = open();
opened.catch((error) => postMessage({ failed: String(error) }));

async function open() {
  const hear = (bytes) => {
    come += bytes;
    postMessage({ loaded: Math.min(come / all, 1) });
  };
  const [header, bytes, model, runtime] = await Promise.all([
    loadJson("gallery", hear), load("arrays", hear), load("network", hear), RUNTIME ?? load("runtime", hear),
  ]);
  const gallery = new Gallery(header, arraysIn(bytes, header.arrays));
  const network = await openNetwork(runtime, model, header.network);
  postMessage({ ready: true });
  return { gallery, network };
}

const answers = {
  // A file → its features.
  async look({ file }) {
    const { network } = await opened;
    return network(await viewsOf(file, network.framing));
  },
  // Features of photos of one fruit → what it is.
  async name({ rows }) {
    const { gallery } = await opened;
    return gallery.identify(rows);
  },
  // A picture of the camera (ImageData) → what it is.
  async glance({ image }) {
    const { gallery, network } = await opened;
    const features = await network(cut({ ...pixels(image), opaque: true }, network.framing));
    return gallery.identify([features]);
  },
};

const pixels = ({ data, width, height }) => ({ data, width, height });

// One photo after the other. The first inference is slow, on a blank one: nobody has to wait for it.
let turn = opened.then(({ network }) => network(blank(network.framing))).catch(() => {});

const blank = ({ size, views }) => new Uint8Array(views.length * size * size * 3);

onmessage = ({ data: { id, kind, asked } }) => {
  turn = turn.then(async () => {
    try {
      postMessage({ id, answer: await answers[kind](asked) });
    } catch (error) {
      postMessage({ id, problem: error.word ? error : { word: "internal", detail: String(error) } });
    }
  });
};
