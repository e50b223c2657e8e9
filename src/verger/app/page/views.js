// A photo's bytes → the squares that the network looks at, with the arithmetic of the server
// (photos/decode.py): only the decoding itself is the browser's.

import { halvedColours, kindOf, takeOrientation } from "./kinds.js";
import { Reduced } from "./reduced.js";
import { multiplied, onWhite, resized } from "./resize.js";

const MOST_PIXELS = 100_000_000;
const MOST_BYTES = 100 * 2 ** 20;
const ROWS_AT_ONCE = 256; // a canvas as large as the photo is more than some phones have

// Returns Uint8Array (views, size, size, 3), RGB. Throws { word, detail } for what is no photo.
export async function viewsOf(file, framing) {
  if (file.size > MOST_BYTES) throw { word: "too-large" };
  const bytes = new Uint8Array(await file.arrayBuffer());
  const kind = kindOf(bytes);
  if (!kind) throw { word: "not-a-photo" };
  const turn = takeOrientation(bytes, kind);
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes], { type: kind }));
  } catch {
    const common = ["image/jpeg", "image/png", "image/webp", "image/gif"].includes(kind);
    throw { word: common ? "damaged-photo" : "not-in-this-browser" };
  }
  try {
    const { width, height } = bitmap;
    if (width * height > MOST_PIXELS) throw { word: "too-many-pixels" };
    const factor = kind === "image/jpeg" ? drafted(width, height, Math.max(...framing.views)) : 1;
    return cut(pixelsOf(bitmap, factor, factor > 1 ? halvedColours(bytes) : null), framing, turn);
  } finally {
    bitmap.close();
  }
}

// How much smaller a large JPEG is decoded: Pillow's `draft`.
function drafted(width, height, wanted) {
  const shorter = Math.min(width, height);
  if (shorter <= 2 * wanted) return 1;
  const ratio = wanted / shorter;
  const least = Math.min(Math.floor(width / Math.round(width * ratio)), Math.floor(height / Math.round(height * ratio)));
  return [8, 4, 2, 1].find((factor) => least >= factor);
}

function pixelsOf(bitmap, factor, halved) {
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, Math.min(height, ROWS_AT_ONCE + 2));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.globalCompositeOperation = "copy";
  context.imageSmoothingEnabled = false;
  const reduced = factor > 1 ? new Reduced(width, height, factor, halved) : null;
  const data = reduced ? null : new Uint8ClampedArray(width * height * 4);
  for (let top = 0; top < height; top += ROWS_AT_ONCE) {
    const bottom = Math.min(top + ROWS_AT_ONCE, height);
    const first = Math.max(top - 1, 0);
    context.drawImage(bitmap, 0, -first);
    const rows = context.getImageData(0, 0, width, Math.min(bottom + 1, height) - first).data;
    if (reduced) reduced.add(rows, first, top, bottom);
    else data.set(rows.subarray((top - first) * width * 4, (bottom - first) * width * 4), top * width * 4);
  }
  return reduced?.picture() ?? { data, width, height, opaque: isOpaque(data) };
}

function isOpaque(data) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

// The views of pixels (RGBA), turned upright.
export function cut(pixels, { size, views }, turn = 1) {
  const { width, height, opaque } = pixels;
  if (!opaque) multiplied(pixels.data);
  const out = new Uint8Array(views.length * size * size * 3);
  views.forEach((view, number) => {
    const side = (Math.min(width, height) * size) / view;
    const left = (width - side) / 2;
    const top = (height - side) / 2;
    const square = resized(pixels, size, [left, top, left + side, top + side]);
    if (!opaque) onWhite(square);
    put(square, size, turn, out.subarray(number * size * size * 3));
  });
  return out;
}

// Where each pixel of a square of `last` + 1 comes from, for EXIF's 1 to 8.
const FROM = [
  null,
  (x, y) => [x, y],
  (x, y, last) => [last - x, y],
  (x, y, last) => [last - x, last - y],
  (x, y, last) => [x, last - y],
  (x, y) => [y, x],
  (x, y, last) => [y, last - x],
  (x, y, last) => [last - y, last - x],
  (x, y, last) => [last - y, x],
];

function put(square, size, turn, out) {
  for (let y = 0, to = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1, to += 3) {
      const [column, row] = FROM[turn](x, y, size - 1);
      const from = (row * size + column) * 4;
      out[to] = square[from];
      out[to + 1] = square[from + 1];
      out[to + 2] = square[from + 2];
    }
  }
}
