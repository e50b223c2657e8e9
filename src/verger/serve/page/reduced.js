// A JPEG as its decoder gives it when it is asked for a smaller picture: the mean of each block of
// `factor` × `factor` pixels. Of colours that are stored at half the resolution, it is the mean of
// what is stored; a whole picture has these spread by a triangle (3/4 and 1/4), which is taken back:
// c[i] = 3/4 (x[2i] + x[2i+1]) − 1/4 (x[2i−1] + x[2i+2]), along each side that is halved.
export class Reduced {
  // halved: whether colours are stored at half the resolution { across, down }
  constructor(width, height, factor, halved) {
    this.source = { width, height };
    this.width = Math.ceil(width / factor);
    this.height = Math.ceil(height / factor);
    this.factor = factor;
    this.halved = halved;
    const [bright, blue, red] = [0, 1, 2].map(() => new Float32Array(this.width * this.height));
    this.planes = { bright, blue, red };
  }

  // Takes rows of the picture, RGBA, from row `first` on: whole blocks from `top` to `bottom`, and
  // one row more on each side, where there is one.
  add(rows, first, top, bottom) {
    const { factor, width, source, planes } = this;
    const { across, down } = this.halved;
    const plain = new Float64Array(3); // sums of a block
    const stored = new Float64Array(3); // the same, with the triangle taken back
    const beside = down ? 1 : 0;
    for (let y = top; y < bottom; y += factor) {
      const last = Math.min(y + factor, source.height) - 1;
      for (let x = 0; x < width; x += 1) {
        const left = x * factor;
        const right = Math.min(left + factor, source.width) - 1;
        plain.fill(0);
        stored.fill(0);
        for (let row = y - beside; row <= last + beside; row += 1) {
          const inside = row >= y && row <= last;
          const weight = inside ? 1 + (down ? 0.5 * ((row === y) + (row === last)) : 0) : -0.5;
          const start = (Math.min(Math.max(row, 0), source.height - 1) - first) * source.width;
          for (let band = 0; band < 3; band += 1) {
            let sum = 0;
            for (let at = (start + left) * 4 + band; at <= (start + right) * 4 + band; at += 4) sum += rows[at];
            if (inside) plain[band] += sum;
            if (across) {
              const before = rows[(start + Math.max(left - 1, 0)) * 4 + band];
              const after = rows[(start + Math.min(right + 1, source.width - 1)) * 4 + band];
              sum += 0.5 * (rows[(start + left) * 4 + band] + rows[(start + right) * 4 + band] - before - after);
            }
            stored[band] += weight * sum;
          }
        }
        const many = (last - y + 1) * (right - left + 1);
        const to = (y / factor) * width + x;
        planes.bright[to] = luma(plain) / many;
        planes.blue[to] = (stored[2] - luma(stored)) / 1.772 / many;
        planes.red[to] = (stored[0] - luma(stored)) / 1.402 / many;
      }
    }
  }

  // The picture: brightness and colours are rounded before they become red, green and blue.
  picture() {
    const { width, height, planes, halved, factor } = this;
    const colours = [planes.blue, planes.red];
    // Halved on one side alone, colours stay so in the smaller picture, and are spread anew; not
    // by a triangle where each block has become one pixel.
    if (halved.across && !halved.down) colours.forEach((plane) => spread(plane, width, height, factor < 8));
    const data = new Uint8ClampedArray(width * height * 4).fill(255);
    for (let at = 0, to = 0; at < width * height; at += 1, to += 4) {
      const y = rounded(planes.bright[at]);
      const cb = rounded(planes.blue[at]);
      const cr = rounded(planes.red[at]);
      data[to] = y + ((FIX_1_402 * cr + ONE_HALF) >> 16);
      data[to + 1] = y + ((-FIX_0_344 * cb - FIX_0_714 * cr + ONE_HALF) >> 16);
      data[to + 2] = y + ((FIX_1_772 * cb + ONE_HALF) >> 16);
    }
    return { data, width, height, opaque: true };
  }
}

const rounded = (value) => Math.floor(value + 0.5);

// Makes of each two neighbours their mean, then two pixels again.
function spread(plane, width, height, byTriangle) {
  const means = new Float32Array(Math.ceil(width / 2));
  for (let y = 0; y < height; y += 1) {
    const row = plane.subarray(y * width, (y + 1) * width);
    for (let at = 0; at < means.length; at += 1) means[at] = rounded((row[2 * at] + (row[2 * at + 1] ?? row[2 * at])) / 2);
    for (let x = 0; x < width; x += 1) {
      const own = means[x >> 1];
      const next = means[(x >> 1) + (x % 2 ? 1 : -1)] ?? own;
      row[x] = byTriangle ? (3 * own + next + 1 + (x % 2)) >> 2 : own;
    }
  }
}

// libjpeg's way from brightness and colours, with 16 bits after the point.
const [FIX_1_402, FIX_1_772, FIX_0_344, FIX_0_714] = [1.402, 1.772, 0.34414, 0.71414].map((factor) => Math.round(factor * 65536));
const ONE_HALF = 32768;

const luma = ([red, green, blue]) => 0.299 * red + 0.587 * green + 0.114 * blue;
