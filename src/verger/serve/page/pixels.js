// A photo's bytes → the pixels that the server's decoder gives of them (photos/decode.py), where the
// browser's decoder can be had to give them: libjpeg decodes a large JPEG by 2, 4 or 8 smaller.

import { frameOf } from "./jpeg.js";
import { kindOf, takeOrientation } from "./kinds.js";
import { Reduced } from "./reduced.js";

const MOST_PIXELS = 100_000_000;
const MOST_BYTES = 100 * 2 ** 20;
const FACTORS = [8, 4, 2];
const ROWS_AT_ONCE = 256; // a canvas as large as the photo is more than some phones have
const COMMON = ["image/jpeg", "image/png", "image/webp", "image/gif"];

// Reads a file: { bytes, kind, turn }, with nothing in the bytes that turns the picture. Throws
// { word } for what is no photo.
export async function read(file) {
  if (file.size > MOST_BYTES) throw { word: "too-large" };
  if (!file.size) throw { word: "damaged-photo" };
  const bytes = new Uint8Array(await file.arrayBuffer());
  const kind = kindOf(bytes);
  if (!kind) throw { word: "not-a-photo" };
  return { bytes, kind, turn: takeOrientation(bytes, kind) };
}

// Returns { data, width, height, opaque }, RGBA. Throws { word } for what cannot be decoded.
// wanted: pixels of the shorter side that are looked at
// colours: "default" for sRGB, "none" for the numbers as they are in the file
// most: pixels of other photos than JPEG; of more, means are taken, which no decoder does
export async function pixelsOf({ bytes, kind }, wanted, { colours = "default", most = Infinity } = {}) {
  const frame = kind === "image/jpeg" ? frameOf(bytes) : null;
  const factor = frame ? drafted(frame, wanted) : 1;
  if (factor > 1) {
    const smaller = await decodedSmaller(bytes, frame, factor, colours);
    if (smaller) return smaller;
  }
  const bitmap = await decoded(bytes, kind, colours);
  try {
    if (bitmap.width * bitmap.height > MOST_PIXELS) throw { word: "too-many-pixels" };
    const by = frame || bitmap.width * bitmap.height <= most ? factor : thinned(bitmap, wanted);
    return by > 1 ? means(bitmap, by, frame?.halved ?? { across: false, down: false }) : whole(bitmap);
  } finally {
    bitmap.close();
  }
}

// How much smaller a large JPEG is decoded: Pillow's `draft`.
function drafted({ width, height }, wanted) {
  const shorter = Math.min(width, height);
  if (shorter <= 2 * wanted) return 1;
  const ratio = wanted / shorter;
  const least = Math.min(Math.floor(width / Math.round(width * ratio)), Math.floor(height / Math.round(height * ratio)));
  return FACTORS.find((factor) => least >= factor) ?? 1;
}

const thinned = ({ width, height }, wanted) => FACTORS.find((factor) => Math.min(width, height) >= factor * 2 * wanted) ?? 1;

// By libjpeg itself, where the browser has it do so: of a size asked for, Chromium takes the next
// lower number of eighths. Null elsewhere (also on pages that came by plain http).
async function decodedSmaller(bytes, { width, height }, factor, colours) {
  if (!globalThis.ImageDecoder || width * height > MOST_PIXELS) return null;
  const eighths = (side) => Math.round((side * (8 / factor + 0.5)) / 8);
  const options = { desiredWidth: eighths(width), desiredHeight: eighths(height), colorSpaceConversion: colours };
  const decoder = new ImageDecoder({ type: "image/jpeg", data: bytes, ...options });
  try {
    const { image } = await decoder.decode();
    try {
      const [across, down] = [Math.ceil(width / factor), Math.ceil(height / factor)];
      if (image.displayWidth !== across || image.displayHeight !== down) return null;
      return whole({ drawn: image, width: across, height: down });
    } finally {
      image.close();
    }
  } catch {
    return null;
  } finally {
    decoder.close();
  }
}

async function decoded(bytes, kind, colours) {
  try {
    return await createImageBitmap(new Blob([bytes], { type: kind }), { colorSpaceConversion: colours });
  } catch {
    throw { word: COMMON.includes(kind) ? "damaged-photo" : "not-in-this-browser" };
  }
}

function whole(picture) {
  const { width, height } = picture;
  const data = new Uint8ClampedArray(width * height * 4);
  inRows(picture, "copy", (rows, first, top, bottom) =>
    data.set(rows.subarray((top - first) * width * 4, (bottom - first) * width * 4), top * width * 4));
  return { data, width, height, opaque: isOpaque(data) };
}

function means(picture, factor, halved) {
  const reduced = new Reduced(picture.width, picture.height, factor, halved);
  inRows(picture, "source-over", (...rows) => reduced.add(...rows));
  return reduced.picture();
}

// Gives the rows of a picture, some at a time, with one more on each side where there is one.
// how: "copy", or "source-over" for over white
function inRows(picture, how, take) {
  const { width, height } = picture;
  const canvas = new OffscreenCanvas(width, Math.min(height, ROWS_AT_ONCE + 2));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.imageSmoothingEnabled = false;
  for (let top = 0; top < height; top += ROWS_AT_ONCE) {
    const bottom = Math.min(top + ROWS_AT_ONCE, height);
    const first = Math.max(top - 1, 0);
    context.globalCompositeOperation = "copy";
    context.fillRect(0, 0, width, canvas.height);
    context.globalCompositeOperation = how;
    context.drawImage(picture.drawn ?? picture, 0, -first);
    take(context.getImageData(0, 0, width, Math.min(bottom + 1, height) - first).data, first, top, bottom);
  }
}

function isOpaque(data) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}
