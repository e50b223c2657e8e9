// Pixels → a PNG, which loses nothing, and says of them what their file said.

import { crc32 } from "./zip.js";

const HEADER = 33; // bytes: the signature and the first chunk
const ORIENTATION = 0x0112;
const SHORT = 3;

// pixels: { data, width, height, opaque }, RGBA
// turn: how they are to be turned, as EXIF has it; profile: of their colours, a blob, or null
export async function png({ data, width, height, opaque }, turn = 1, profile = null) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d", { alpha: !opaque }).putImageData(new ImageData(data, width, height), 0, 0);
  const plain = await canvas.convertToBlob({ type: "image/png" });
  const chunks = [];
  if (profile) chunks.push(chunk("iCCP", [...letters("ICC"), 0, 0, ...(await deflated(profile))]));
  if (turn > 1) chunks.push(chunk("eXIf", [...letters("MM"), 0, 42, 0, 0, 0, 8, 0, 1, ORIENTATION >> 8, ORIENTATION & 255, 0, SHORT, 0, 0, 0, 1, 0, turn, 0, 0, 0, 0, 0, 0]));
  return new Blob([plain.slice(0, HEADER), ...chunks, plain.slice(HEADER)], { type: "image/png" });
}

const letters = (text) => new TextEncoder().encode(text);

async function deflated(blob) {
  const stream = blob.stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(name, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(letters(name), 4);
  bytes.set(content, 8);
  view.setUint32(content.length + 8, crc32(bytes.subarray(4, content.length + 8)));
  return bytes;
}
