// What a file's first bytes say that it is, and how its EXIF has the picture turned.

const ascii = (bytes, from, length) => String.fromCharCode(...bytes.subarray(from, from + length));

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
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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

// On which sides a JPEG stores its colours at half the resolution: both (4:2:0), one, or none.
export function halvedColours(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [from] = segments(view, FRAMES)[0] ?? [];
  const bands = from === undefined || view.getUint8(from + 5) !== 3 ? [] : [0, 1, 2];
  const [bright, blue, red] = bands.map((band) => view.getUint8(from + 7 + 3 * band));
  const alone = blue === 0x11 && red === 0x11;
  return { across: alone && bright >> 4 === 2, down: alone && (bright & 15) === 2 };
}

const FRAMES = [0xc0, 0xc1, 0xc2];
const APP1 = 0xe1;

// The segments before the picture of some kinds: [from, length].
function segments(view, kinds = [APP1]) {
  const found = [];
  let at = 2;
  while (at + 4 <= view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xda) break;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const length = view.getUint16(at + 2);
    if (length < 2 || at + 2 + length > view.byteLength) break;
    if (kinds.includes(marker)) found.push([at + 4, length - 2]);
    at += 2 + length;
  }
  return found;
}

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
