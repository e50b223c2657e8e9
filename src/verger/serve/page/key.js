// The key that some servers ask for: kept as a cookie, since a picture's request has no header.

import { h } from "./dom.js";
import { t } from "./words.js";

const YEAR = 31536000;

// The text for those whose request was refused: with a key, that was the wrong one.
export const keyError = () => (document.cookie.includes("verger-key=") ? "error.wrong-key" : "error.no-key");

// A form that keeps the key and then calls `done`.
export function keyForm(done) {
  const input = h("input", { type: "password", id: "key", autocomplete: "current-password", required: true });
  const keep = (event) => {
    event.preventDefault();
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `verger-key=${encodeURIComponent(input.value.trim())}; Max-Age=${YEAR}; Path=${location.pathname}; SameSite=Strict${secure}`;
    done();
  };
  return h("form", { class: "search", onsubmit: keep },
    h("label", { for: "key" }, t("key.label")), input,
    h("button", { type: "submit", class: "button primary" }, t("key.keep")));
}
