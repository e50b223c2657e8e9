// The map: dots by label, thumbnails in their place when near, and the photo under the pointer.
"use strict";
(function () {
  const { data, color, say } = window.verger;
  const box = document.getElementById("mapchart");
  if (!box) return;
  const map = data.map;
  const count = map.photos, codes = data.photos.codes;
  const HUES = 24, CELL = 48, NEAR = 700, REACH = 14, SPAN = 9999;
  const labelOf = (at) => data.labels[codes[at]];
  const byId = (id) => document.getElementById(id);
  const hover = byId("hover");
  const shown = new Set(data.labels.keys());
  const sheets = map.sheets.map(toUrl);
  const perSheet = map.tiles * map.tiles;
  const lastSheet = map.sheets.length - 1;
  let layout = map.layouts[0];
  let chart = null, near = [], scheduled = false, pinned = -1;

  /** Turn a data URI into an image kept by the browser, so that hovering copies no megabytes. */
  function toUrl(uri) {
    const [head, body] = uri.split(",");
    const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([bytes], { type: head.slice(5, head.indexOf(";")) }));
    image.decode().then(() => plan(), () => {});
    return image;
  }

  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  function hue(code) {
    if (data.labels[code] === null) return color("soft");
    const scheme = document.documentElement.style.colorScheme || (dark() ? "dark" : "light");
    const light = (scheme === "dark" ? [66, 76, 58] : [44, 52, 36])[Math.floor((code % HUES) / 8)];
    return `hsl(${((code % HUES) * 137.508) % 360}, ${scheme === "dark" ? 62 : 68}%, ${light}%)`;
  }

  /** Return the sheet and the place in it of a photo's thumbnail, or null where there is none. */
  function tile(at) {
    const sheet = Math.floor(at / perSheet);
    if (sheet > lastSheet) return null;
    const image = sheets[sheet];
    const row = Math.floor((at % perSheet) / map.tiles);
    const x = (at % map.tiles) * map.tile, y = row * map.tile;
    if (!image.complete || !image.naturalHeight || y >= image.naturalHeight) return null;
    return at < map.pictured ? { image, x, y } : null;
  }

  function view() {
    const [zx, zy] = chart.getOption().dataZoom;
    const part = (z, low) => (low ? z.start : z.end) / 100;
    const pad = SPAN * 0.03, wide = SPAN + 2 * pad;
    const x0 = -pad + wide * part(zx, true), x1 = -pad + wide * part(zx, false);
    const y0 = -pad + wide * part(zy, true), y1 = -pad + wide * part(zy, false);
    const w = chart.getWidth(), h = chart.getHeight();
    return {
      w, h, zx, zy,
      px: (at) => ((layout.x[at] - x0) / (x1 - x0)) * w,
      py: (at) => h - ((layout.y[at] - y0) / (y1 - y0)) * h,
    };
  }

  function visible(v) {
    const out = [];
    for (let at = 0; at < count; at++) {
      if (!shown.has(codes[at])) continue;
      const x = v.px(at), y = v.py(at);
      if (x >= 0 && x <= v.w && y >= 0 && y <= v.h) out.push([at, x, y]);
    }
    return out;
  }

  /** Choose the photos to show in place of dots: none over another, and only when few are in view. */
  function planNow() {
    scheduled = false;
    if (!chart) return;
    const seen = visible(view());
    const pictures = [];
    if (seen.length <= NEAR || byId("photos").checked) {
      const taken = new Map();
      const free = (x, y, cx, cy) => [-1, 0, 1].every((i) => [-1, 0, 1].every((j) => {
        const other = taken.get(`${cx + i},${cy + j}`);
        return !other || Math.abs(other[0] - x) >= CELL || Math.abs(other[1] - y) >= CELL;
      }));
      for (const [at, x, y] of seen) {
        const cx = Math.floor(x / CELL), cy = Math.floor(y / CELL);
        if (!free(x, y, cx, cy) || !tile(at)) continue;
        taken.set(`${cx},${cy}`, [x, y]);
        pictures.push(at);
      }
    }
    near = pictures;
    const hidden = count - seen.length;
    byId("mapstatus").textContent = say(hidden ? "{n} photos in view, {hidden} elsewhere or filtered out." : "{n} photos in view.", { n: seen.length.toLocaleString(data.language), hidden: hidden.toLocaleString(data.language) });
    chart.setOption({ series: [{ id: "pictures", data: near.map((at) => [layout.x[at], layout.y[at], at]) }] }, { lazyUpdate: true });
  }

  function plan() {
    if (scheduled) return;
    scheduled = true;
    setTimeout(planNow, 60);
  }

  function picture(_params, api) {
    const at = api.value(2), from = tile(at);
    if (!from) return null;
    const [x, y] = api.coord([api.value(0), api.value(1)]);
    const side = 46, half = side / 2;
    return {
      type: "group", silent: true,
      children: [
        { type: "image", style: { image: from.image, x: x - half, y: y - half, width: side, height: side, sx: from.x, sy: from.y, sWidth: map.tile, sHeight: map.tile } },
        { type: "rect", shape: { x: x - half, y: y - half, width: side, height: side, r: 4 }, style: { fill: "none", stroke: hue(codes[at]), lineWidth: 2.5 } },
      ],
    };
  }

  /** One series a colour, each drawn as one path: thousands of dots move without hanging. */
  function dots() {
    const groups = new Map();
    for (let at = 0; at < count; at++) {
      const code = codes[at];
      if (!shown.has(code)) continue;
      const key = data.labels[code] === null ? -1 : code % HUES;
      if (!groups.has(key)) groups.set(key, { code, points: [] });
      groups.get(key).points.push([layout.x[at], layout.y[at]]);
    }
    const side = count > 3000 ? 5 : count > 300 ? 7 : 11;
    return [...groups].map(([key, { code, points }]) => ({
      type: "scatter", id: "dots" + key, data: points, symbolSize: side, large: true, largeThreshold: 200, silent: true,
      itemStyle: { color: hue(code), opacity: 0.82 }, emphasis: { disabled: true },
    }));
  }

  function draw(width, height) {
    const zoom = chart ? chart.getOption().dataZoom.map((z) => ({ start: z.start, end: z.end })) : [{}, {}];
    if (chart) chart.dispose();
    chart = echarts.init(box, null, { renderer: "canvas", width, height });
    const pad = SPAN * 0.03;
    const axis = { type: "value", show: false, min: -pad, max: SPAN + pad };
    chart.setOption({
      animation: false,
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      xAxis: axis, yAxis: axis,
      dataZoom: [
        { type: "inside", xAxisIndex: 0, filterMode: "none", minSpan: 0.5, ...zoom[0] },
        { type: "inside", yAxisIndex: 0, filterMode: "none", minSpan: 0.5, ...zoom[1] },
      ],
      series: [...dots(), { type: "custom", id: "pictures", z: 5, silent: true, renderItem: picture, data: [], clip: true }],
    });
    chart.on("datazoom", () => { leave(); plan(); });
    plan();
  }

  function filter() {
    const keep = dots();
    const ids = new Set(keep.map((one) => one.id));
    const gone = chart.getOption().series.filter((one) => one.id.startsWith("dots") && !ids.has(one.id));
    chart.setOption({ series: [...keep, ...gone.map((one) => ({ id: one.id, type: "scatter", data: [] }))] });
    plan();
  }

  /** Find the photo at a point of the map: a thumbnail under it first, else the nearest dot. */
  function at(x, y) {
    const v = view();
    for (const one of near) {
      if (Math.abs(v.px(one) - x) <= 23 && Math.abs(v.py(one) - y) <= 23) return one;
    }
    let best = -1, least = REACH * REACH;
    for (const [one, px, py] of visible(v)) {
      const gap = (px - x) ** 2 + (py - y) ** 2;
      if (gap < least) [best, least] = [one, gap];
    }
    return best;
  }

  /** Return a photo's tile so many times as large; null where it has none. */
  function faceOf(one, times) {
    const from = tile(one);
    if (!from) return null;
    const face = document.createElement("i");
    face.style.backgroundImage = `url(${from.image.src})`;
    face.style.backgroundSize = `${from.image.naturalWidth * times}px ${from.image.naturalHeight * times}px`;
    face.style.backgroundPosition = `-${from.x * times}px -${from.y * times}px`;
    return face;
  }

  function tell(one, clientX, clientY) {
    hover.replaceChildren(...[faceOf(one, 2)].filter(Boolean));
    const words = document.createElement("div");
    for (const [tag, text, kind] of [["b", labelOf(one) ?? say("no label"), ""], ["span", data.photos.paths[one], "path"]]) {
      const line = document.createElement(tag);
      line.className = kind;
      const inner = document.createElement("bdi");
      inner.textContent = text;
      line.append(inner);
      words.append(line);
    }
    hover.append(words);
    hover.hidden = false;
    const room = hover.getBoundingClientRect();
    hover.style.left = Math.max(6, Math.min(clientX + 16, innerWidth - room.width - 6)) + "px";
    hover.style.top = (clientY + room.height + 24 > innerHeight ? clientY - room.height - 12 : clientY + 16) + "px";
  }

  function leave() { hover.hidden = true; pinned = -1; box.style.cursor = ""; }

  box.addEventListener("pointermove", (event) => {
    if (event.buttons || !chart) return;
    const place = box.getBoundingClientRect();
    const one = at(event.clientX - place.left, event.clientY - place.top);
    if (one < 0) return leave();
    box.style.cursor = "pointer";
    tell(one, event.clientX, event.clientY);
  });
  box.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") leave(); });
  box.addEventListener("click", (event) => {
    const place = box.getBoundingClientRect();
    const one = at(event.clientX - place.left, event.clientY - place.top);
    if (one >= 0 && one !== pinned) { tell(one, event.clientX, event.clientY); pinned = one; } else leave();
  });
  addEventListener("scroll", leave, { passive: true });

  function zoomBy(factor) {
    chart.getOption().dataZoom.forEach((z, dataZoomIndex) => {
      const middle = (z.start + z.end) / 2, half = Math.min(50, ((z.end - z.start) / 2) * factor);
      const start = Math.max(0, Math.min(100 - 2 * half, middle - half));
      chart.dispatchAction({ type: "dataZoom", dataZoomIndex, start, end: start + 2 * half });
    });
  }
  function move(dx, dy) {
    chart.getOption().dataZoom.forEach((z, dataZoomIndex) => {
      const span = z.end - z.start, by = (dataZoomIndex ? dy : dx) * span * 0.15;
      const start = Math.max(0, Math.min(100 - span, z.start + by));
      chart.dispatchAction({ type: "dataZoom", dataZoomIndex, start, end: start + span });
    });
  }
  const whole = () => [0, 1].forEach((dataZoomIndex) => chart.dispatchAction({ type: "dataZoom", dataZoomIndex, start: 0, end: 100 }));
  const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  box.addEventListener("keydown", (event) => {
    if (keys[event.key]) move(...keys[event.key]);
    else if (event.key === "+" || event.key === "=") zoomBy(0.6);
    else if (event.key === "-") zoomBy(1 / 0.6);
    else if (event.key === "0") whole();
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
  });
  byId("zoomin").addEventListener("click", () => zoomBy(0.6));
  byId("zoomout").addEventListener("click", () => zoomBy(1 / 0.6));
  byId("whole").addEventListener("click", whole);
  byId("photos").addEventListener("change", plan);
  byId("layout").addEventListener("change", (event) => { layout = map.layouts[event.target.value]; leave(); whole(); draw(); });

  const counts = data.labels.map(() => 0);
  for (let at = 0; at < count; at++) counts[codes[at]]++;
  const list = byId("labels");
  const items = data.labels.map((name, code) => ({ name, code })).filter(({ code }) => counts[code]).map(({ name, code }) => {
    const item = document.createElement("li"), label = document.createElement("label");
    const check = Object.assign(document.createElement("input"), { type: "checkbox", checked: true });
    check.addEventListener("change", () => { if (check.checked) shown.add(code); else shown.delete(code); filter(); });
    const dot = document.createElement("i"), text = document.createElement("bdi"), number = document.createElement("small");
    dot.className = "dot";
    text.className = "text";
    text.textContent = name ?? say("no label");
    text.title = text.textContent;
    number.textContent = counts[code].toLocaleString(data.language);
    label.append(check, dot, text, number);
    const only = Object.assign(document.createElement("button"), { type: "button", textContent: say("only") });
    only.setAttribute("aria-label", say("Only {label}", { label: name ?? say("no label") }));
    only.addEventListener("click", () => choose((other) => other === code));
    item.append(label, only);
    list.append(item);
    return { item, check, dot, code, name: text.textContent.toLocaleLowerCase() };
  });
  function choose(keep) {
    shown.clear();
    items.forEach((one) => { one.check.checked = keep(one.code); if (one.check.checked) shown.add(one.code); });
    filter();
  }
  byId("every").addEventListener("click", () => choose(() => true));
  byId("none").addEventListener("click", () => choose(() => false));
  byId("search").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLocaleLowerCase();
    items.forEach((one) => { one.item.hidden = !one.name.includes(wanted); });
  });
  if (innerWidth < 760) byId("legend").open = false;

  window.verger.drawMap = (width, height) => { items.forEach((one) => { one.dot.style.background = hue(one.code); }); draw(width, height); };
  window.verger.tileOf = (one) => (one < count ? faceOf(one, 1) : null);
  window.verger.at = (one) => { const v = view(); return [v.px(one), v.py(one)]; };
  window.verger.near = () => near.length;
})();
