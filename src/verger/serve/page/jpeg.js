// What the segments of a JPEG say before its pixels: size, how colours are stored, which they are.

const APP1 = 0xe1;
const APP2 = 0xe2;
const FRAMES = [0xc0, 0xc1, 0xc2];
const PROFILE = "ICC_PROFILE\0";

export const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export const ascii = (bytes, from, length) => String.fromCharCode(...bytes.subarray(from, from + length));

// The segments of some kinds: [from, length].
export function segments(view, kinds = [APP1]) {
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

// Returns { width, height, bands, halved }; null where no frame is found. halved: on which sides
// colours are stored at half the resolution: both (4:2:0), one, or none.
export function frameOf(bytes) {
  const view = viewOf(bytes);
  const [[from, length] = [0, 0]] = segments(view, FRAMES);
  if (length < 6) return null;
  const [height, width, bands] = [view.getUint16(from + 1), view.getUint16(from + 3), view.getUint8(from + 5)];
  const [bright, blue, red] = bands === 3 && length >= 15 ? [0, 1, 2].map((band) => view.getUint8(from + 7 + 3 * band)) : [];
  const alone = blue === 0x11 && red === 0x11;
  return { width, height, bands, halved: { across: alone && bright >> 4 === 2, down: alone && (bright & 15) === 2 } };
}

// The ICC profile that a JPEG declares, in pieces as it lies there; null where there is none.
export function profileOf(bytes) {
  const pieces = segments(viewOf(bytes), [APP2])
    .filter(([from, length]) => length > 14 && ascii(bytes, from, 12) === PROFILE)
    .sort(([one], [other]) => bytes[one + 12] - bytes[other + 12])
    .map(([from, length]) => bytes.subarray(from + 14, from + length));
  return pieces.length ? new Blob(pieces) : null;
}
