// The tray: photos that people pick, and what they decide of them. Kept in this browser where it
// allows that, and saved as the sheet that `verger relabel` takes.
"use strict";
(function () {
  const { data, isOne, say } = window.verger;
  const { paths, codes } = data.photos;
  const byId = (id) => document.getElementById(id);
  const cut = new Set(data.photos.cut);
  const numbers = new Map([...paths.entries()].filter(([at]) => !cut.has(at)).map(([at, path]) => [path, at]));
  const suspects = new Map(Object.entries(data.suspects).map(([at, label]) => [paths[at], label]));
  const known = new Set(data.known);
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const knownPlainly = data.known.map((name) => [plain(name), name]);
  const key = "verger report " + data.run;
  const MOST_LISTED = 200;
  const tray = new Map(); // path → { path, label, picked, decision, given }
  const listed = new Map(); // path → what the tray shows of it
  const shownBy = []; // [path, function that shows what is decided of it], of the tables

  const label = (path) => data.labels[codes[numbers.get(path)]] ?? "";
  const count = (n) => n.toLocaleString(data.language);

  /** Write a label as Verger does: accents composed, one plain blank between words. */
  const normal = (text) => text.normalize("NFC").replace(/[\u200b\u2060\ufeff]/g, "").split(/\s+/).filter(Boolean).join(" ");

  /** Say whether two texts differ by one letter, or by two that changed places. */
  function isASlip(one, other) {
    let start = 0, end = 0;
    while (start < Math.min(one.length, other.length) && one[start] === other[start]) start++;
    while (end < Math.min(one.length, other.length) - start && one.at(-1 - end) === other.at(-1 - end)) end++;
    const a = one.slice(start, one.length - end), b = other.slice(start, other.length - end);
    return (a.length <= 1 && b.length <= 1) || (a.length === 2 && b.length === 2 && a[0] === b[1] && a[1] === b[0]);
  }
  /** The label that a new one was probably meant to be: they differ in case or accents, or by a slip. */
  function meant(given) {
    const mine = plain(given), digits = /\d/;
    return knownPlainly.find(([its]) => its === mine)?.[1]
      ?? knownPlainly.find(([its]) => Math.min(its.length, mine.length) > 3 && !digits.test(its + mine) && isASlip(its, mine))?.[1];
  }

  // A spreadsheet takes such a cell for a formula: it gets an apostrophe, which Verger takes off again.
  const FORMULA = /^'*[=+@\t\r\n\uff0b\uff0d\uff1d\uff20-]/;
  function cell(text) {
    return `"${(FORMULA.test(text) ? "'" + text : text).replaceAll('"', '""')}"`;
  }
  function save(name, rows) {
    const text = "\ufeff" + rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
    const link = Object.assign(document.createElement("a"), { download: name });
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }
  const picked = () => [...tray.values()].filter((one) => one.picked);
  const decided = () => [...tray.values()].filter((one) => one.decision);

  function element(tag, kind, text) {
    const made = document.createElement(tag);
    made.className = kind;
    if (text !== undefined) made.append(Object.assign(document.createElement("bdi"), { textContent: text }));
    return made;
  }
  function button(text, press) {
    const made = element("button", "", text);
    made.type = "button";
    made.addEventListener("click", press);
    return made;
  }

  function change(path, what) {
    const one = tray.get(path) ?? { path, label: label(path), picked: false, decision: "", given: "" };
    Object.assign(one, what);
    if (one.picked || one.decision) tray.set(path, one);
    else tray.delete(path);
  }
  /** Pick photos by number, or put them back. Returns how many have no whole path here. */
  function pick(some, isPicked) {
    const whole = some.filter((at) => !cut.has(at));
    whole.forEach((at) => change(paths[at], { picked: isPicked }));
    changed();
    return some.length - whole.length;
  }
  function decide(path, decision, given) {
    const is = decision === "label" && given === (tray.get(path)?.label ?? label(path)) ? ["fine", ""] : [decision, given];
    change(path, { decision: is[0], given: is[1] });
  }

  /** What one can decide; `apply` is given it. Returns the controls, and how to show a decision. */
  function controls(what, suggested, apply) {
    const box = element("div", "controls");
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", what);
    const choices = [];
    const choice = (text, decision, given) => {
      const made = button(text, () => apply(decision, given));
      choices.push([made, decision, given]);
      box.append(made);
    };
    if (suggested) choice(suggested === true ? say("as suggested") : suggested, "label", suggested);
    const field = Object.assign(document.createElement("input"), { type: "text", placeholder: say("another label"), autocomplete: "off" });
    field.setAttribute("list", "known");
    field.setAttribute("aria-label", `${say("another label")}: ${what}`);
    field.addEventListener("change", () => {
      const given = normal(field.value);
      if (given) apply("label", given);
      else apply("", "");
    });
    const note = element("small", "look");
    box.append(field, note);
    choice(say("not a fruit: leave out"), "leave out", "");
    choice(say("fine as it is"), "fine", "");
    return {
      box,
      show({ decision, given } = { decision: "", given: "" }) {
        choices.forEach(([one, its, label]) => one.setAttribute("aria-pressed", String(decision === its && given === label)));
        const isTyped = decision === "label" && given !== suggested;
        field.value = isTyped ? given : "";
        const isNew = isTyped && data.knows_all && !known.has(given), its = isNew ? meant(given) : undefined;
        note.textContent = its ? say("a new label; did you mean {label}?", { label: its }) : isNew ? say("a new label") : "";
      },
    };
  }
  /** The controls of one photo: pressed again, a choice is taken back. */
  function controlsOf(path) {
    const made = controls(path, suspects.get(path), (decision, given) => {
      const now = tray.get(path);
      const again = now?.decision === decision && now.given === given;
      decide(path, again ? "" : decision, again ? "" : given);
      changed();
    });
    return made;
  }

  /** Return a photo's picture: that of a table, or its tile of the map. */
  function face(at) {
    const there = document.querySelector(`figure[data-photo="${at}"] > img`);
    const made = there ? there.cloneNode() : window.verger.map?.faceOf(at, 48) ?? element("i", "blank");
    made.classList.add("face");
    return made;
  }

  function row(one) {
    const item = element("li", "");
    const words = element("div", "words");
    if (one.label) words.append(element("b", "", one.label));
    words.append(element("span", "path", one.path));
    const made = controlsOf(one.path);
    const away = button("×", () => { tray.delete(one.path); changed(); byId("trayopen").focus(); });
    away.className = "away";
    away.setAttribute("aria-label", say("Put back {path}", { path: one.path }));
    item.append(face(numbers.get(one.path)), words, made.box, away);
    return { item, show: made.show };
  }

  function list() {
    const some = byId("traybody").hidden ? [] : [...tray.values()].slice(0, MOST_LISTED);
    const stay = new Set(some.map((one) => one.path));
    for (const [path, one] of listed) if (!stay.has(path)) { one.item.remove(); listed.delete(path); }
    some.forEach((one) => {
      if (!listed.has(one.path)) {
        listed.set(one.path, row(one));
        byId("traylist").append(listed.get(one.path).item);
      }
      listed.get(one.path).show(one);
    });
    byId("traymore").textContent = tray.size > MOST_LISTED ? say("and {n} more", { n: count(tray.size - MOST_LISTED) }) : "";
  }

  function show() {
    const labels = decided(), said = `${say("Picked: {n}", { n: count(picked().length) })} · ${say("Decided: {n}", { n: count(labels.length) })}`;
    byId("tray").hidden = !tray.size;
    document.body.classList.toggle("traying", tray.size > 0);
    byId("trayopen").textContent = byId("traysaid").textContent = said;
    byId("savelabels").disabled = !labels.length;
    byId("savepicked").disabled = !picked().length;
    byId("bulk").parentElement.classList.toggle("idle", !picked().length);
    const isNew = data.knows_all && labels.some((one) => one.decision === "label" && !known.has(one.given));
    byId("relabel").querySelector("code").textContent = "verger relabel STORE labels.csv" + (isNew ? " --new-labels" : "");
    document.querySelectorAll("figure[data-photo] > .pick").forEach((tick) => {
      tick.checked = !!tray.get(paths[tick.parentElement.dataset.photo])?.picked;
    });
    shownBy.forEach(([path, its]) => its(tray.get(path)));
    bulk.show();
    list();
    window.verger.trayChanged?.();
  }
  function changed() {
    try { localStorage.setItem(key, JSON.stringify([...tray.values()])); } catch { /* not allowed, or full */ }
    show();
  }
  function restore() {
    try {
      for (const one of JSON.parse(localStorage.getItem(key)) ?? []) {
        if (typeof one.path === "string") tray.set(one.path, { label: "", picked: false, decision: "", given: "", ...one });
      }
    } catch { /* nothing was kept */ }
  }

  document.querySelectorAll("td.decide").forEach((place) => {
    const path = paths[place.dataset.photo], made = controlsOf(path);
    place.append(made.box);
    shownBy.push([path, made.show]);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("figure > .pick")) pick([Number(event.target.parentElement.dataset.photo)], event.target.checked);
  });
  byId("known").append(...data.known.map((name) => Object.assign(document.createElement("option"), { value: name })));
  const bulk = controls(say("all that are picked"), true, (decision, given) => {
    for (const { path } of picked()) {
      const its = given === true ? suspects.get(path) : given;
      if (its !== undefined) decide(path, decision, its);
    }
    changed();
  });
  byId("bulk").append(bulk.box);
  byId("pickall")?.addEventListener("click", () => pick([...document.querySelectorAll("td.decide")].map((one) => Number(one.dataset.photo)), true));
  byId("trayopen").addEventListener("click", () => {
    const isOpen = byId("traybody").toggleAttribute("hidden") === false;
    byId("trayopen").setAttribute("aria-expanded", String(isOpen));
    list();
  });
  byId("savelabels").addEventListener("click", () => save("labels.csv", [
    ["path", "label", "decision"], ...decided().map((one) => [one.path, one.given, one.decision]),
  ]));
  byId("savepicked").addEventListener("click", () => save("picked.csv", [
    ["path", "label", "suggested"], ...picked().map((one) => [one.path, one.label, suspects.get(one.path) ?? ""]),
  ]));
  byId("emptytray").addEventListener("click", () => {
    const n = decided().length, one = isOne(n);
    if (n && !confirm(say(one ? "Discard {n} decision?" : "Discard {n} decisions?", { n: count(n) }))) return;
    tray.clear();
    changed();
  });

  restore();
  window.verger.tray = { show, pick, isCut: (at) => cut.has(at), has: (at) => !!tray.get(paths[at])?.picked, controlsOf: (at) => cut.has(at) ? null : controlsOf(paths[at]), of: (at) => tray.get(paths[at]) };
})();
