// Picking photos on the map: with a lasso, with a box, or all that are in view.
"use strict";
(function () {
  const { data, isOne, say, map, tray } = window.verger;
  if (!map) return;
  const byId = (id) => document.getElementById(id);
  const sheet = byId("lasso"), line = sheet.querySelector("polygon");
  const modes = [...document.querySelectorAll("[data-mode]")];
  let mode = "move", points = [];

  function become(next) {
    mode = next;
    modes.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.mode === mode)));
    sheet.toggleAttribute("hidden", mode === "move");
    line.setAttribute("points", "");
    points = [];
  }
  function place(event) {
    const box = sheet.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  /** Whether a point lies in the polygon: a ray from it crosses the edges an odd number of times. */
  function isIn(x, y, corners) {
    let inside = false;
    corners.forEach(([x1, y1], at) => {
      const [x0, y0] = corners[(at || corners.length) - 1];
      if (y0 > y !== y1 > y && x < ((x0 - x1) * (y - y1)) / (y0 - y1) + x1) inside = !inside;
    });
    return inside;
  }
  function pick(test, isPicked = true) {
    const some = map.visible(map.view()).filter(([, x, y]) => test(x, y)).map(([at]) => at).filter((at) => isPicked || tray.has(at));
    const left = tray.pick(some, isPicked);
    const done = some.length - left, one = isOne(done), n = done.toLocaleString(data.language);
    const picked = say(one ? "{n} photo picked." : "{n} photos picked.", { n });
    byId("picknote").textContent = (isPicked ? picked : say(one ? "{n} photo put back." : "{n} photos put back.", { n })) + (left ? " " + say("The paths of {n} are too long for this page.", { n: left.toLocaleString(data.language) }) : "");
  }

  sheet.addEventListener("pointerdown", (event) => {
    sheet.setPointerCapture(event.pointerId);
    points = [place(event)];
  });
  sheet.addEventListener("pointermove", (event) => {
    if (!points.length) return;
    const [x, y] = place(event), [x0, y0] = points[0];
    points = mode === "box" ? [[x0, y0], [x, y0], [x, y], [x0, y]] : [...points, [x, y]];
    line.setAttribute("points", points.join(" "));
  });
  sheet.addEventListener("pointerup", (event) => {
    const corners = points;
    points = [];
    line.setAttribute("points", "");
    if (corners.length > 2) pick((x, y) => isIn(x, y, corners), !event.altKey);
  });
  sheet.addEventListener("wheel", (event) => { // the map zooms, whatever lies over it
    event.preventDefault();
    map.box.querySelector("canvas").dispatchEvent(new WheelEvent("wheel", event));
  });
  sheet.addEventListener("pointercancel", () => become(mode));
  modes.forEach((one) => one.addEventListener("click", () => become(one.dataset.mode === mode ? "move" : one.dataset.mode)));
  addEventListener("keydown", (event) => { if (event.key === "Escape" && mode !== "move") become("move"); });
  byId("pickview").addEventListener("click", () => pick(() => true));
})();
