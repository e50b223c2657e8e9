// The card of a photo of the map: large, its path to copy, what it is, and the photos nearest to it.
"use strict";
(function () {
  const { data, say, map, tray } = window.verger;
  const card = document.getElementById("card");
  if (!map) return;
  let shown = -1, show = () => {};

  function element(tag, kind, ...inside) {
    const made = document.createElement(tag);
    made.className = kind;
    made.append(...inside);
    return made;
  }
  const text = (words) => Object.assign(document.createElement("bdi"), { textContent: words });
  function button(words, press) {
    const made = element("button", "", text(words));
    made.type = "button";
    made.addEventListener("click", press);
    return made;
  }

  /** The photo itself where the page lies beside PHOTOS, else its thumbnail. */
  function large(at) {
    const small = map.faceOf(at, 240) ?? element("i", "blank");
    if (data.originals === null || location.protocol !== "file:" || tray.isCut(at)) return small;
    const image = Object.assign(new Image(), { alt: "", decoding: "async" });
    image.addEventListener("error", () => image.replaceWith(small));
    image.src = data.originals + data.photos.paths[at].split("/").map(encodeURIComponent).join("/");
    return image;
  }
  async function copy(path, words) {
    try {
      await navigator.clipboard.writeText(path);
      words.textContent = say("copied");
    } catch {
      getSelection().selectAllChildren(card.querySelector(".path"));
    }
  }

  function open(at) {
    shown = at;
    const path = data.photos.paths[at], label = map.labelOf(at);
    const words = element("small", ""), made = tray.controlsOf(at);
    words.setAttribute("role", "status");
    const tick = Object.assign(document.createElement("input"), { type: "checkbox", className: "pick", disabled: !made });
    tick.addEventListener("change", () => tray.pick([at], tick.checked));
    const away = button("×", close);
    away.className = "away";
    away.setAttribute("aria-label", say("Close"));
    const nearest = data.map.near[at].map((other) => {
      const one = button("", () => open(other)), its = map.labelOf(other);
      one.setAttribute("aria-label", `${its}, ${data.photos.paths[other]}`);
      one.replaceChildren(map.faceOf(other, 56) ?? element("i", "blank"), element("small", its === label ? "" : "look", text(its)));
      return element("li", "", one);
    });
    card.replaceChildren(
      element("div", "large", large(at)),
      element("div", "about",
        element("h3", "", text(label)), away,
        element("p", "path", text(path)),
        element("div", "controls", element("label", "", tick, say("picked")), button(say("Copy the path"), () => copy(path, words)), words),
        ...(made ? [made.box] : []),
      ),
      element("div", "nearest", element("h4", "", say("Nearest photos")), element("ul", "", ...nearest)),
    );
    show = () => { tick.checked = tray.has(at); made?.show(tray.of(at)); };
    show();
    card.setAttribute("aria-label", say("Photo: {label}", { label }));
    card.hidden = false;
    card.scrollTop = 0;
    card.focus({ preventScroll: true });
    map.plan();
  }
  function close() {
    if (card.hidden) return;
    shown = -1;
    show = () => {};
    card.hidden = true;
    map.box.focus({ preventScroll: true });
    map.plan();
  }
  card.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });

  window.verger.card = { open, close, shown: () => shown };
  window.verger.trayChanged = () => { show(); map.plan(); };
})();
