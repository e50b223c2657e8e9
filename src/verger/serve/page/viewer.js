// A photo of the gallery, large, beside one's own; the others by a swipe, a button or an arrow key.

import { alike, picture } from "./answer.js";
import { h, icon } from "./dom.js";
import { t } from "./words.js";

export function viewer(near, first, urls) {
  const strip = h("ul", { class: "strip", tabindex: "0", "aria-label": t("answer.lookalikes") },
    near.map((one) => h("li", {},
      h("figure", {}, picture(one.photo, one.name), h("figcaption", {}, h("b", {}, one.name), " ", h("small", {}, alike(one)))))));
  const own = urls.length ? h("figure", { class: "own" }, h("img", { src: urls[0], alt: "" }), h("figcaption", {}, h("b", {}, t("photos.yours_one")))) : null;
  const move = (by) => strip.scrollBy({ left: by * strip.clientWidth });
  const dialog = h("dialog", { class: "viewer", "aria-label": t("answer.lookalikes"), onclose: () => dialog.remove() },
    h("div", { class: "pair" }, own, strip),
    h("div", { class: "actions" },
      h("button", { type: "button", class: "button", onclick: () => move(-1) }, icon("back"), h("span", {}, t("viewer.before"))),
      h("button", { type: "button", class: "button", onclick: () => move(1) }, h("span", {}, t("viewer.after")), icon("forth")),
      h("button", { type: "button", class: "button primary", onclick: () => dialog.close() }, t("viewer.close"))));
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    move(by);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  strip.scrollTo({ left: first * strip.clientWidth, behavior: "instant" });
}
