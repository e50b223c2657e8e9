// Which view the address names, the language, and the worker that keeps the page for later.

import { focus, h, show } from "./dom.js";
import * as history from "./history.js";
import * as identify from "./identify.js";
import * as varieties from "./varieties.js";
import { choose, other, t, translate } from "./words.js";

let current = () => {};

function route(event) {
  const [name = "", ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const argument = decoded(rest.join("/"));
  if (name === "varieties") current = () => varieties.list();
  else if (name === "variety" && argument) current = () => varieties.one(argument);
  else if (name === "history") current = () => history.list();
  else if (name === "" || name === "content") current = () => identify.view();
  else current = () => show(h("section", { class: "sheet" }, h("h1", { class: "title" }, t("error.not-found"))));
  if (name === "content") return; // the link that skips to the content
  for (const link of document.querySelectorAll("[data-route]")) {
    const here = link.dataset.route === (name.startsWith("variet") ? "varieties" : name || "identify");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  current();
  if (event) {
    scrollTo(0, 0);
    const heading = document.querySelector("#content h1");
    if (heading) focus(heading);
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function connection() {
  document.getElementById("offline").hidden = navigator.onLine;
}

document.getElementById("language").addEventListener("click", () => {
  choose(other());
  current();
});
addEventListener("hashchange", route);
addEventListener("online", connection);
addEventListener("offline", connection);
identify.listen();
translate();
connection();
route();
if ("serviceWorker" in navigator) navigator.serviceWorker.register("sw.js");
