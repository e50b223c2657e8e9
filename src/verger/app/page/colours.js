// Colours that a photo declares by three primaries and their curves → sRGB, with LittleCMS's
// arithmetic on eight bits, to the last bit: curves to 14 bits after the point, a matrix, and a table.

import { ascii, viewOf } from "./jpeg.js";

const ONE = 16384;
const MOST_BYTES = 16 * 2 ** 20;
const CLASSES = ["mntr", "scnr", "prtr", "spac"];
const PRIMARIES = ["rXYZ", "gXYZ", "bXYZ"];
const CURVES = ["rTRC", "gTRC", "bTRC"];
const AS_GOOD_AS_SRGB = 1; // levels
const IDENTITY = 1 / 65535; // closer to it, LittleCMS leaves the matrix out

// profile: the bytes of an ICC profile. Returns what converts RGBA in place; null for a profile
// that is not of this kind.
export function toSrgb(profile) {
  try {
    const convert = shaper(profile);
    return convert && (changes(convert) ? convert : () => {});
  } catch {
    return null; // broken
  }
}

function shaper(profile) {
  const view = viewOf(profile);
  const said = (at) => ascii(profile, at, 4);
  const right = profile.length <= MOST_BYTES && CLASSES.includes(said(12)) && said(16) === "RGB " && said(20) === "XYZ ";
  const tags = new Map();
  for (let entry = 0; right && entry < view.getUint32(128); entry += 1) {
    const at = 132 + 12 * entry;
    tags.set(said(at), view.getUint32(at + 4));
  }
  if (["A2B0", "D2B0"].some((tag) => tags.has(tag)) || ![...PRIMARIES, ...CURVES].every((tag) => tags.has(tag))) return null;
  const columns = PRIMARIES.map((tag) => [8, 12, 16].map((at) => fixed(view, tags.get(tag) + at)));
  const matrix = times(FROM_XYZ, transposed(columns));
  if (matrix.every((row, y) => row.every((value, x) => Math.abs(value - (x === y)) < IDENTITY))) return null;
  const weights = Int32Array.from(matrix.flat(), inFourteenBits);
  const curves = CURVES.map((tag) => {
    const value = curveAt(view, tags.get(tag));
    return Int32Array.from({ length: 256 }, (_, level) => inFourteenBits(Math.fround(value(Math.fround(level / 255)))));
  });
  if (curves.some(([black]) => black !== 0)) return null; // LittleCMS compensates for it
  return (data) => {
    for (let at = 0; at < data.length; at += 4) {
      const [r, g, b] = [curves[0][data[at]], curves[1][data[at + 1]], curves[2][data[at + 2]]];
      for (let band = 0, weight = 0; band < 3; band += 1, weight += 3) {
        const light = (weights[weight] * r + weights[weight + 1] * g + weights[weight + 2] * b + ONE / 2) >> 14;
        data[at + band] = LEVELS[Math.min(Math.max(light, 0), ONE)];
      }
    }
  };
}

// Whether a profile does more to colours than to round them, from all over the cube.
function changes(convert) {
  const steps = [...Array.from({ length: 18 }, (_, step) => 15 * step), 4, 9, 250];
  const cube = Uint8ClampedArray.from(steps.flatMap((red) => steps.flatMap((green) => steps.flatMap((blue) => [red, green, blue, 255]))));
  const to = cube.slice();
  convert(to);
  return cube.some((level, at) => Math.abs(level - to[at]) > AS_GOOD_AS_SRGB);
}

const inFourteenBits = (value) => Math.floor(value * ONE + 0.5);
const fixed = (view, at) => view.getInt32(at) / 65536;

// From 0 to 1 → light, as a curve of an ICC profile has it.
function curveAt(view, at) {
  const kind = String.fromCharCode(...[0, 1, 2, 3].map((byte) => view.getUint8(at + byte)));
  if (kind === "para") return parametric(view, at);
  if (kind !== "curv") throw new Error(kind);
  const count = view.getUint32(at + 8);
  if (count < 2) {
    const gamma = count ? view.getUint16(at + 12) / 256 : 1;
    return (value) => value ** gamma;
  }
  const table = Array.from({ length: count }, (_, entry) => view.getUint16(at + 12 + 2 * entry));
  return (value) => between(table, inSixteenBits(value)) / 65535;
}

function parametric(view, at) {
  const kind = view.getUint16(at + 8);
  const [g, a = 1, b = 0, c = 0, d = -b / a, e = 0, f = 0] = Array.from({ length: [1, 3, 4, 5, 7][kind] }, (_, number) => fixed(view, at + 12 + 4 * number));
  const power = (value) => Math.max(a * value + b, 0) ** g;
  if (kind === 2) return (value) => (value >= -b / a ? power(value) + c : c);
  if (kind === 3 || kind === 4) return (value) => (value >= d ? power(value) + e : c * value + f);
  return power;
}

const inSixteenBits = (value) => Math.min(Math.max(Math.floor(value * 65535 + 0.5), 0), 65535);

function between(table, value) {
  const last = table.length - 1;
  if (value === 65535) return table[last];
  const product = last * value;
  const at = product + Math.floor((product + 0x7fff) / 0xffff);
  const [cell, rest] = [Math.floor(at / 65536), at % 65536];
  return table[cell] + Math.floor(((table[cell + 1] - table[cell]) * rest + 0x8000) / 65536);
}

// sRGB: its curve the other way, from light in 14 bits to levels, and its primaries adapted to D50.
const LEVELS = Uint8Array.from({ length: ONE + 1 }, (_, light) => {
  const value = Math.fround(light / ONE);
  const encoded = value >= ((0.04045 + 0.055) / 1.055) ** 2.4 ? (value ** (1 / 2.4) - 0.055 / 1.055) * 1.055 : value * 12.92;
  return Math.floor((inSixteenBits(Math.fround(Math.min(Math.max(encoded, 0), 1))) * 65281 + 8388608) / 2 ** 24);
});

const BRADFORD = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]];
const D50 = [[0.9642], [1], [0.8249]];

const FROM_XYZ = (() => {
  const xyz = (x, y) => [x, y, 1 - x - y];
  const primaries = transposed([xyz(0.64, 0.33), xyz(0.3, 0.6), xyz(0.15, 0.06)]);
  const white = xyz(0.3127, 0.329).map((value) => [value / 0.329]);
  const [from, to] = [times(BRADFORD, white), times(BRADFORD, D50)];
  const adapted = times(inverse(BRADFORD), BRADFORD.map((row, y) => row.map((value) => (value * to[y][0]) / from[y][0])));
  const shares = times(inverse(primaries), white);
  return inverse(times(adapted, primaries.map((row) => row.map((value, x) => value * shares[x][0]))));
})();

function times(one, other) {
  return one.map((row) => other[0].map((_, x) => row.reduce((sum, value, at) => sum + value * other[at][x], 0)));
}

function transposed(matrix) {
  return matrix[0].map((_, x) => matrix.map((row) => row[x]));
}

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const rows = [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f], [d * h - e * g, b * g - a * h, a * e - b * d]];
  const all = a * rows[0][0] + b * rows[1][0] + c * rows[2][0];
  return rows.map((row) => row.map((value) => value / all));
}
