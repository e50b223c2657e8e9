// Pillow's resampling by a triangle, to the last bit: what a canvas makes of it, no standard says.

const BITS = 22; // of a weight, after the point
const HALF = 1 << (BITS - 1);

// The weights of the pixels that each of `size` outputs is made of, along one side of the box.
function weights(length, from, to, size) {
  const scale = Math.fround(to - from) / size;
  const support = Math.max(scale, 1);
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const shares = new Int32Array(size * most);
  const own = new Float64Array(most);
  for (let out = 0; out < size; out += 1) {
    const centre = from + (out + 0.5) * scale;
    const start = Math.max(Math.trunc(centre - support + 0.5), 0);
    const length_ = Math.min(Math.trunc(centre + support + 0.5), length) - start;
    let sum = 0;
    for (let at = 0; at < length_; at += 1) {
      own[at] = Math.max(1 - Math.abs((at + start - centre + 0.5) / support), 0);
      sum += own[at];
    }
    first[out] = start;
    count[out] = length_;
    for (let at = 0; at < length_; at += 1) {
      shares[out * most + at] = Math.trunc(0.5 + (sum ? own[at] / sum : own[at]) * (1 << BITS));
    }
  }
  return { first, count, shares, most };
}

// Bytes of four a pixel (RGBA) → the box, as `size` × `size` pixels of four. Of an opaque picture,
// the fourth is not computed.
export function resized(pixels, size, [left, top, right, bottom]) {
  const { width, height } = pixels;
  const across = weights(width, Math.fround(left), Math.fround(right), size);
  const down = weights(height, Math.fround(top), Math.fround(bottom), size);
  // Each pass rounds to whole levels: Pillow begins with the one that leaves less to the other.
  if (height > size && height - size > 2 * (width - size)) return narrowed(lowered(pixels, size, down), size, across).data;
  return lowered(narrowed(pixels, size, across), size, down).data;
}

function narrowed({ data, width, height, opaque }, size, { first, count, shares, most }) {
  const out = new Uint8ClampedArray(size * height * 4);
  const bands = opaque ? 3 : 4;
  for (let y = 0, to = 0; y < height; y += 1) {
    for (let x = 0; x < size; x += 1, to += 4) {
      const start = (y * width + first[x]) * 4;
      for (let band = 0; band < bands; band += 1) {
        let sum = HALF;
        for (let at = 0; at < count[x]; at += 1) sum += data[start + at * 4 + band] * shares[x * most + at];
        out[to + band] = sum >> BITS;
      }
    }
  }
  return { data: out, width: size, height, opaque };
}

function lowered({ data, width, opaque }, size, { first, count, shares, most }) {
  const out = new Uint8ClampedArray(width * size * 4);
  const bands = opaque ? 3 : 4;
  for (let y = 0, to = 0; y < size; y += 1) {
    for (let x = 0; x < width; x += 1, to += 4) {
      const start = (first[y] * width + x) * 4;
      for (let band = 0; band < bands; band += 1) {
        let sum = HALF;
        for (let at = 0; at < count[y]; at += 1) sum += data[start + at * width * 4 + band] * shares[y * most + at];
        out[to + band] = sum >> BITS;
      }
    }
  }
  return { data: out, width, height: size, opaque };
}

const by255 = (product) => ((product + 128) + ((product + 128) >> 8)) >> 8;

// Colours multiplied by their alpha, as they are while they are resized; in place.
export function multiplied(data) {
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    for (let band = 0; band < 3; band += 1) data[at + band] = by255(data[at + band] * alpha);
  }
}

// The other way, then over white; in place.
export function onWhite(data) {
  for (let at = 0; at < data.length; at += 4) {
    const alpha = data[at + 3];
    for (let band = 0; band < 3; band += 1) {
      const colour = alpha === 0 || alpha === 255 ? data[at + band] : Math.min(Math.trunc((255 * data[at + band]) / alpha), 255);
      data[at + band] = by255(255 * (255 - alpha) + colour * alpha);
    }
    data[at + 3] = 255;
  }
}
