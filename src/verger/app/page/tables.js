// Files of the app's data: packed where they are worth it, with arrays laid out by their header.

import files from "./files.js";

const GZIP = [0x1f, 0x8b];

// Reads one of `files`; `hear` is told of each piece of bytes that has come. Some hosts unpack what
// they send, so what came tells whether it is packed.
export async function load(name, hear = () => {}) {
  const answer = await fetch(new URL(files[name].file, import.meta.url));
  if (!answer.ok) throw new Error(`${files[name].file}: ${answer.status}`);
  const bytes = await whole(answer.body, hear);
  if (bytes[0] !== GZIP[0] || bytes[1] !== GZIP[1]) return bytes;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

export async function loadJson(name, hear) {
  return JSON.parse(new TextDecoder().decode(await load(name, hear)));
}

async function whole(stream, hear) {
  const pieces = [];
  let length = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
    hear(value.length);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

const TYPES = { float32: Float32Array, int32: Int32Array, int16: Int16Array };

// The arrays of a file: [{ name, type, length, at }] → views of its bytes by name.
export function arraysIn(bytes, layout) {
  return Object.fromEntries(
    layout.map(({ name, type, length, at }) => [name, new TYPES[type](bytes.buffer, bytes.byteOffset + at, length)]),
  );
}
