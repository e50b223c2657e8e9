// The labels of the map: found, shown and hidden, and what the colours mean.
"use strict";
(function () {
  const { data, say, map } = window.verger;
  if (!map) return;
  const byId = (id) => document.getElementById(id);
  const codes = data.photos.codes, fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const counts = data.labels.map(() => 0);
  for (let at = 0; at < map.count; at++) counts[codes[at]]++;
  const shown = new Set(data.labels.keys());
  let wanted = "";

  const items = [...data.labels.entries()].filter(([code]) => counts[code]).map(([code, label]) => {
    const name = label ?? say("no label"), group = data.map.names[data.map.groups[code]] ?? "";
    const item = document.createElement("li"), row = document.createElement("label");
    const check = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    check.addEventListener("change", () => { if (check.checked) shown.add(code); else shown.delete(code); show(); });
    const dot = document.createElement("i"), text = document.createElement("bdi"), number = document.createElement("small");
    dot.className = "dot";
    text.className = "text";
    text.textContent = text.title = name;
    number.textContent = counts[code].toLocaleString(data.language);
    row.append(check, dot, text, number);
    const only = Object.assign(document.createElement("button"), { type: "button", textContent: say("only") });
    only.setAttribute("aria-label", say("Only {label}", { label: name }));
    only.addEventListener("click", () => choose(items, (one) => one.code === code));
    item.append(row, only);
    byId("labels").append(item);
    return { item, check, dot, code, text: fold(`${name} ${group}`) };
  });
  const byCode = new Map(items.map((one) => [one.code, one]));
  const found = () => items.filter((one) => one.text.includes(wanted));
  function show() {
    map.keepOnly((code) => shown.has(code) && byCode.get(code).text.includes(wanted));
  }
  function choose(some, isShown) {
    some.forEach((one) => {
      one.check.checked = isShown(one);
      if (one.check.checked) shown.add(one.code);
      else shown.delete(one.code);
    });
    show();
  }
  byId("every").addEventListener("click", () => choose(found(), () => true));
  byId("none").addEventListener("click", () => choose(found(), () => false));
  byId("search").addEventListener("input", (event) => {
    wanted = fold(event.target.value.trim());
    const now = new Set(found());
    items.forEach((one) => { one.item.hidden = !now.has(one); });
    show();
  });

  const colours = byId("colours");
  const options = [["", data.map.own ? say("label") : say("species")], ...items.map(({ code }) => [code, data.labels[code] ?? say("no label")])];
  colours.append(...options.map(([value, text]) => new Option(text.length > 40 ? text.slice(0, 39) + "…" : text, value)));
  function key() {
    const code = colours.value === "" ? null : Number(colours.value);
    items.forEach((one) => { one.dot.style.background = map.hue(one.code); });
    const rows = code === null ? data.map.names.map((name, at) => [name, data.map.groups.indexOf(at)]) : [[data.labels[code] ?? say("no label"), code]];
    const grey = items.find((one) => (code === null ? data.map.groups[one.code] < 0 : one.code !== code));
    if (grey) rows.push([say("others"), grey.code]);
    byId("key").replaceChildren(...(data.map.own && code === null ? [] : rows).map(([name, its]) => {
      const row = document.createElement("li"), dot = document.createElement("i"), text = document.createElement("bdi");
      dot.className = "dot";
      dot.style.background = map.hue(its);
      text.textContent = name;
      row.append(dot, text);
      return row;
    }));
  }
  colours.addEventListener("change", () => { map.brighten(colours.value === "" ? null : Number(colours.value)); key(); });
  if (innerWidth < 760) byId("legend").open = false;

  const { drawMap } = window.verger;
  window.verger.drawMap = (width, height) => { drawMap(width, height); key(); };
})();
