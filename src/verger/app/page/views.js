// A photo's bytes → the squares that the network looks at, with the arithmetic of the server
// (photos/decode.py).

import { toSrgb } from "./colours.js";
import { frameOf, profileOf } from "./jpeg.js";
import { pixelsOf, read } from "./pixels.js";
import { multiplied, onWhite, resized } from "./resize.js";

// Returns Uint8Array (views, size, size, 3), RGB. Throws { word } for what is no photo.
export async function viewsOf(file, framing) {
  const photo = await read(file);
  const convert = await conversion(photo);
  const pixels = await pixelsOf(photo, Math.max(...framing.views), { colours: convert ? "none" : "default" });
  convert?.(pixels.data);
  return cut(pixels, framing, photo.turn);
}

// What brings a JPEG's colours to sRGB; null where the browser is to do it.
async function conversion({ bytes, kind }) {
  if (kind !== "image/jpeg" || frameOf(bytes)?.bands !== 3) return null;
  const profile = profileOf(bytes);
  return profile && toSrgb(new Uint8Array(await profile.arrayBuffer()));
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
