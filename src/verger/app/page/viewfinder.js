// The camera, with names while it looks; a tap takes the photo.

import { headline } from "./answer.js";
import { h, icon } from "./dom.js";
import { ask } from "./engine.js";
import { t } from "./words.js";

const SLOW = 1500; // milliseconds that a look may take, for names to keep up with a hand
const TRIES = 3; // looks that may be slower: the first ones are, on any phone
const PAUSE = 100; // between two looks, for the rest of the phone
const QUALITY = 0.95;

export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

// Opens the viewfinder; `taken` is given the photo, as a file, if one is taken.
export async function look(taken) {
  const video = h("video", { playsinline: true, muted: true, autoplay: true, "aria-label": t("live.picture") });
  const name = h("p", { class: "seen" }, t("live.starting"));
  const take = h("button", { type: "button", class: "button primary", disabled: true }, icon("camera"), h("span", {}, t("live.take")));
  const leave = h("button", { type: "button", class: "button" }, t("work.cancel"));
  const over = h("div", { class: "over" }, name, h("div", { class: "actions" }, take, leave));
  const dialog = h("dialog", { class: "viewfinder", "aria-label": t("live.open") }, video, over);
  document.body.append(dialog);
  dialog.showModal();
  leave.addEventListener("click", () => dialog.close());
  const left = () => dialog.close(); // by the back button, say
  addEventListener("hashchange", left);
  let stream = null;
  dialog.addEventListener("close", () => {
    removeEventListener("hashchange", left);
    for (const track of stream?.getTracks() ?? []) track.stop();
    dialog.remove();
  });
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } } });
    video.srcObject = stream;
    await video.play();
  } catch {
    name.textContent = t("live.refused");
    return;
  }
  if (!dialog.open) return stream.getTracks().forEach((track) => track.stop());
  take.disabled = false;
  take.addEventListener("click", async () => {
    const photo = await still(video);
    dialog.close();
    taken([photo]);
  });
  name.textContent = "";
  await watch(video, name, () => dialog.open);
}

// Names what is seen, as long as that is fast enough to be of use.
async function watch(video, name, isOpen) {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let slow = 0; isOpen() && slow < TRIES; ) {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    context.drawImage(video, 0, 0);
    const began = performance.now();
    const answer = await ask("glance", { image: context.getImageData(0, 0, canvas.width, canvas.height) }).catch(() => null);
    if (!isOpen() || !answer) return;
    if (performance.now() - began > SLOW) slow += 1;
    if (slow === TRIES) name.textContent = t("live.take_one");
    else name.textContent = answer.verdict === "unknown" ? t("live.nothing") : headline(answer);
    await new Promise((done) => setTimeout(done, PAUSE));
  }
}

async function still(video) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  return new File([blob], "photo.jpg", { type: "image/jpeg" });
}
