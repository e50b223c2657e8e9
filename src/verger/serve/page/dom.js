// Elements without markup strings: text is always text, whatever a label or a file is called.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

const PATHS = {
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 17a4 4 0 1 0 0-8 4 4 0 0 0 0 8z",
  photos: "M3 7h14v13H3zM7 7V4h14v13h-4M3 17l4-4 3 3 3-4 4 5",
  plus: "M12 5v14M5 12h14",
  again: "M20 11a8 8 0 1 0-2 6M20 5v6h-6",
  back: "M19 12H5M11 6l-6 6 6 6",
  forth: "M5 12h14M13 6l6 6-6 6",
  share: "M12 15V3M7 8l5-5 5 5M5 13v8h14v-8",
  gone: "M6 6l12 12M18 6L6 18",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export const capital = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

export function announce(text) {
  document.getElementById("status").textContent = text;
}

export function show(...nodes) {
  document.getElementById("content").replaceChildren(...nodes);
}

// Screen readers and the keyboard go where the new content begins.
export function focus(element) {
  element.setAttribute("tabindex", "-1");
  element.focus({ preventScroll: true });
}
