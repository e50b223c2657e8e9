// An answer as a picture, to be shared, or saved where nothing can be.

import { headline, speciesOf } from "./answer.js";
import { inWords, percent, t } from "./words.js";

const WIDTH = 1080;
const HEIGHT = 1350;
const EDGE = 60;
const PHOTO = WIDTH - 2 * EDGE;

export const canShare = () => {
  try {
    return navigator.canShare?.({ files: [new File([""], "a.jpg", { type: "image/jpeg" })] }) ?? false;
  } catch {
    return false;
  }
};

export async function share(answer, photo) {
  const file = new File([await drawn(answer, photo)], "verger.jpg", { type: "image/jpeg" });
  if (canShare()) {
    await navigator.share({ files: [file], title: headline(answer) }).catch(() => {}); // not now, then
    return;
  }
  save(file, file.name);
}

// Has the browser save a file.
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function drawn(answer, photo) {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fffcf3";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  if (photo) await framed(context, photo);
  const species = speciesOf(answer);
  const sure = answer.confidence ? t("confidence.scale", { words: inWords(answer.confidence), percent: percent(answer.confidence) }) : "";
  written(context, headline(answer), "600 72px Georgia, serif", "#22281d", EDGE + PHOTO + 105);
  written(context, species?.scientific_name ?? "", "italic 44px Georgia, serif", "#575c4b", EDGE + PHOTO + 172);
  written(context, [sure, "Verger"].filter(Boolean).join("  ·  "), "36px system-ui, sans-serif", "#575c4b", HEIGHT - EDGE);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
}

// The middle square of the photo.
async function framed(context, photo) {
  const bitmap = await createImageBitmap(photo).catch(() => null);
  if (!bitmap) return;
  const side = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  context.drawImage(bitmap, left, top, side, side, EDGE, EDGE, PHOTO, PHOTO);
  bitmap.close();
}

function written(context, text, font, colour, y) {
  context.font = font;
  context.fillStyle = colour;
  context.fillText(text, EDGE, y, PHOTO);
}
