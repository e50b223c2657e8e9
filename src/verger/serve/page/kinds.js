// What a file's first bytes say that it is, and how its EXIF has the picture turned.

import { ascii, segments, viewOf } from "./jpeg.js";

// Pictures in ISO files, by how their brands begin; videos have others.
const ISO = { avi: "image/avif", hei: "image/heic", hev: "image/heic", mif: "image/heic", msf: "image/heic" };

export function kindOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return "image/jpeg";
  if (ascii(bytes, 1, 3) === "PNG") return "image/png";
  if (ascii(bytes, 0, 4) === "RIFF" && ascii(bytes, 8, 4) === "WEBP") return "image/webp";
  if (ascii(bytes, 0, 4) === "GIF8") return "image/gif";
  if (ascii(bytes, 4, 4) === "ftyp") return ISO[ascii(bytes, 8, 3)] ?? null;
  if (["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(ascii(bytes, 0, 4))) return "image/tiff";
  if (ascii(bytes, 0, 2) === "BM") return "image/bmp";
  return null;
}

// Returns how the picture is to be turned (EXIF's 1 to 8), and sets that to 1 in the bytes, so that
// no browser turns it: each knows EXIF in other files. What containers say of it stays.
export function takeOrientation(bytes, kind) {
  const view = viewOf(bytes);
  let turn = 0;
  for (const [from, length] of blocks[kind]?.(view) ?? []) {
    const start = ascii(bytes, from, 6) === "Exif\0\0" ? from + 6 : from;
    const found = orientationIn(view, start, from + length);
    if (!found) continue;
    turn ||= found.value;
    if (found.long) view.setUint32(found.at, 1, found.little);
    else view.setUint16(found.at, 1, found.little);
  }
  turn ||= kind === "image/jpeg" ? orientationInXmp(view) : 1;
  return turn >= 1 && turn <= 8 ? turn : 1;
}

// Where blocks of EXIF lie: [from, length].
const blocks = {
  "image/jpeg": (view) => segments(view).filter(([from]) => text(view, from, 6) === "Exif\0\0"),
  "image/png": (view) => chunks(view, 8, false, "eXIf"),
  "image/webp": (view) => chunks(view, 12, true, "EXIF"),
};

const text = (view, from, length) =>
  ascii(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), from, length);

// Of a PNG, length and name; of a WebP, name and length, padded to an even number.
function chunks(view, start, little, wanted) {
  const found = [];
  let at = start;
  while (at + 8 <= view.byteLength) {
    const name = text(view, little ? at : at + 4, 4);
    const length = view.getUint32(little ? at + 4 : at, little);
    if (at + 8 + length > view.byteLength) break;
    if (name === wanted) found.push([at + 8, length]);
    at += 8 + length + (little ? length % 2 : 4);
  }
  return found;
}

const ORIENTATION = 0x0112;

function orientationIn(view, start, end) {
  if (end - start < 8) return null;
  const little = view.getUint16(start) === 0x4949;
  if (!little && view.getUint16(start) !== 0x4d4d) return null;
  const folder = start + view.getUint32(start + 4, little);
  if (folder + 2 > end) return null;
  const entries = view.getUint16(folder, little);
  for (let entry = 0; entry < entries; entry += 1) {
    const at = folder + 2 + entry * 12;
    if (at + 12 > end) return null;
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const long = view.getUint16(at + 2, little) === 4;
    const value = long ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little);
    return { value, at: at + 8, little, long };
  }
  return null;
}

function orientationInXmp(view) {
  for (const [from, length] of segments(view)) {
    if (text(view, from, 5) !== "http:") continue;
    const packet = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + from, length));
    const found = packet.match(/tiff:Orientation(?:="|>)([0-9])/);
    if (found) return Number(found[1]);
  }
  return 1;
}
