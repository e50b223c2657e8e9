// The page: draws when it is shown, again when light, dark, width or paper change.
"use strict";
(function () {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const { draw, drawMap } = window.verger;
  const all = () => { draw(); if (drawMap) drawMap(); };

  document.getElementById("theme").addEventListener("click", () => {
    const now = root.style.colorScheme || (dark.matches ? "dark" : "light");
    root.style.colorScheme = now === "dark" ? "light" : "dark";
    all();
  });
  dark.addEventListener("change", () => { if (!root.style.colorScheme) all(); });

  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(all, 150);
  });

  // On paper everything is open, light, and as wide as the sheet.
  let before = null;
  addEventListener("beforeprint", () => {
    before = { scheme: root.style.colorScheme, closed: [...document.querySelectorAll("details:not([open]):not(.rest)")] };
    before.closed.forEach((one) => { one.open = true; });
    root.style.colorScheme = "light";
    draw(640);
    if (drawMap) drawMap(640, 420);
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    before.closed.forEach((one) => { one.open = false; });
    root.style.colorScheme = before.scheme;
    before = null;
    all();
  });

  const links = new Map([...document.querySelectorAll("nav a")].map((one) => [one.hash.slice(1), one]));
  const watch = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    links.forEach((link) => link.removeAttribute("aria-current"));
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }), { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section").forEach((section) => watch.observe(section));

  all();
  window.verger.tray.show();
  root.dataset.ready = "true";
})();
