// A photo as the server would shrink it: turned upright, on white, and by a whole number of halves,
// each pixel the mean of those in its place. So it does not matter who shrinks it, and what is sent
// has no JPEG's losses a second time.

const FACTORS = [8, 4, 2];
const ROWS = 64; // of the result at once, so that a large photo is never held twice

// The factor by which a photo is shrunk so that its shorter side keeps at least `side` pixels: that
// of libjpeg, which the server lets do the same where `shorter` is more than twice `side`.
export function factor(shorter, side) {
  return shorter > 2 * side ? FACTORS.find((by) => shorter >= by * side) ?? 1 : 1;
}

// Returns the picture of `file` as { width, height, data }: RGBA, as ImageData has it.
export async function shrunk(file, side) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  try {
    const by = factor(Math.min(bitmap.width, bitmap.height), side);
    const result = new ImageData(Math.ceil(bitmap.width / by), Math.ceil(bitmap.height / by));
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", { willReadFrequently: true });
    for (let top = 0; top < result.height; top += ROWS) {
      const rows = Math.min(ROWS * by, bitmap.height - top * by);
      canvas.width = bitmap.width;
      canvas.height = rows;
      context.fillStyle = "#fff"; // where the photo is transparent
      context.fillRect(0, 0, bitmap.width, rows);
      context.drawImage(bitmap, 0, -top * by);
      average(context.getImageData(0, 0, bitmap.width, rows), by, result, top);
    }
    return result;
  } finally {
    bitmap.close();
  }
}

// Writes the means of squares of `by` pixels into the rows of `to` from `top` on; those at the
// edges may be cut.
function average({ width, height, data }, by, to, top) {
  for (let y = 0; y * by < height; y += 1) {
    const down = Math.min(by, height - y * by);
    for (let x = 0; x < to.width; x += 1) {
      const across = Math.min(by, width - x * by);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let row = 0; row < down; row += 1) {
        let at = 4 * ((y * by + row) * width + x * by);
        for (let column = 0; column < across; column += 1, at += 4) {
          red += data[at];
          green += data[at + 1];
          blue += data[at + 2];
        }
      }
      const pixels = across * down;
      const out = 4 * ((top + y) * to.width + x);
      to.data[out] = Math.round(red / pixels);
      to.data[out + 1] = Math.round(green / pixels);
      to.data[out + 2] = Math.round(blue / pixels);
      to.data[out + 3] = 255;
    }
  }
}

// As a file that loses nothing.
export function png(picture) {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return new Promise((done, failed) => {
    canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("the canvas gave no picture"))), "image/png");
  });
}
