// The map: thumbnails where there is room, dots for the rest, and the names of labels over them.
"use strict";
(function () {
  const { data, color, isOne, say, tray } = window.verger;
  const box = document.getElementById("mapchart");
  if (!box) return;
  const map = data.map;
  const count = map.photos, codes = data.photos.codes;
  const REACH = 14, SPAN = 9999, PAD = SPAN * 0.05, MOST_NAMES = 60;
  const byId = (id) => document.getElementById(id);
  const hover = byId("hover");
  const sheets = map.sheets.map(toUrl);
  const perSheet = map.tiles * map.tiles;
  const lastSheet = map.sheets.length - 1;
  const pen = document.createElement("canvas").getContext("2d");
  const number = (n) => n.toLocaleString(data.language);
  const isDark = () => (document.documentElement.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  // Twelve colours that are told apart; what has none of them is grey.
  const HUES = [
    ["#c62f2f", "#ff7b6e"], ["#1e6fc0", "#6db2ff"], ["#2b8a3e", "#6fd08a"], ["#8a3fc0", "#c99bff"], ["#d9730d", "#ffab5c"], ["#0f8a8a", "#53d1d1"],
    ["#c2258a", "#ff85cf"], ["#8a6d00", "#e3c545"], ["#5a5fd6", "#a3a6ff"], ["#6b4a2b", "#c8a078"], ["#5b7a1f", "#b6d663"], ["#46586b", "#9db3c9"],
  ];
  let keep = () => true; // of a label's code: whether its photos are shown
  let bright = null; // the one label in colour, or null where all are by group
  let layout = map.layouts[0];
  let chart = null, near = [], names = [], scheduled = false;

  /** Turn a data URI into an image kept by the browser, so that hovering copies no megabytes. */
  function toUrl(uri) {
    const [head, body] = uri.split(",");
    const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([bytes], { type: head.slice(5, head.indexOf(";")) }));
    image.decode().then(() => plan(), () => {});
    return image;
  }

  const labelOf = (at) => data.labels[codes[at]] ?? say("no label");
  /** The place of a label's colour among HUES; -1 for grey. */
  const hueAt = (code) => (bright === null ? map.groups[code] : code === bright ? 0 : -1);
  const hue = (code) => (hueAt(code) < 0 ? color("faint") : HUES[hueAt(code)][isDark() ? 1 : 0]);

  /** Return the sheet and the place in it of a photo's thumbnail, or null where there is none. */
  function tile(at) {
    const sheet = Math.floor(at / perSheet);
    if (!(at < map.pictured) || sheet > lastSheet) return null;
    const image = sheets[sheet];
    const row = Math.floor((at % perSheet) / map.tiles);
    const x = (at % map.tiles) * map.tile, y = row * map.tile;
    return image.complete && image.naturalHeight > y ? { image, x, y } : null;
  }
  /** Return a photo's thumbnail as an element that many pixels wide; null where it has none. */
  function faceOf(at, side) {
    const from = tile(at);
    if (!from) return null;
    const face = document.createElement("i"), times = side / map.tile;
    face.style.cssText = `width: ${side}px; height: ${side}px`;
    face.style.backgroundImage = `url(${from.image.src})`;
    face.style.backgroundSize = `${from.image.naturalWidth * times}px ${from.image.naturalHeight * times}px`;
    face.style.backgroundPosition = `-${from.x * times}px -${from.y * times}px`;
    return face;
  }

  function view() {
    const [zx, zy] = chart.getOption().dataZoom;
    const edge = (z, low) => -PAD + (SPAN + 2 * PAD) * (low ? z.start : z.end) / 100;
    const x0 = edge(zx, true), x1 = edge(zx, false), y0 = edge(zy, true), y1 = edge(zy, false);
    const w = chart.getWidth(), h = chart.getHeight();
    return {
      w, h,
      px: (at) => ((layout.x[at] - x0) / (x1 - x0)) * w,
      py: (at) => h - ((layout.y[at] - y0) / (y1 - y0)) * h,
      back: (x, y) => [x0 + (x / w) * (x1 - x0), y0 + ((h - y) / h) * (y1 - y0)],
    };
  }
  function visible(v) {
    const out = [];
    for (let at = 0; at < count; at++) {
      if (!keep(codes[at])) continue;
      const x = v.px(at), y = v.py(at);
      if (x >= 0 && x <= v.w && y >= 0 && y <= v.h) out.push([at, x, y]);
    }
    return out;
  }

  /** How large photos and names are drawn, in pixels: on a phone smaller, so that it shows as many. */
  const sizes = () => (chart.getWidth() < 600 ? { side: 34, type: 10, most: 20 } : { side: 46, type: 12, most: 26 });
  const face = () => `600 ${sizes().type}px system-ui, sans-serif`;

  /** Choose the photos to show in place of dots: none over another. */
  function pictured(seen) {
    if (!byId("photos").checked) return [];
    const cell = sizes().side + 2, taken = new Map(), out = [];
    const free = (x, y, cx, cy) => [-1, 0, 1].every((i) => [-1, 0, 1].every((j) => {
      const other = taken.get(`${cx + i},${cy + j}`);
      return !other || Math.abs(other[0] - x) >= cell || Math.abs(other[1] - y) >= cell;
    }));
    for (const [at, x, y] of seen) {
      const cx = Math.floor(x / cell), cy = Math.floor(y / cell);
      if (!free(x, y, cx, cy) || !tile(at)) continue;
      taken.set(`${cx},${cy}`, [x, y]);
      out.push(at);
    }
    return out;
  }

  /** Place the names of labels at the middle of their photos, the most frequent first, none over another. */
  function named(seen, v) {
    const of = new Map();
    for (const [at, x, y] of seen) {
      if (data.labels[codes[at]] === null) continue;
      if (!of.has(codes[at])) of.set(codes[at], [[], []]);
      of.get(codes[at])[0].push(x);
      of.get(codes[at])[1].push(y);
    }
    const middle = (some) => some.sort((a, b) => a - b)[some.length >> 1];
    const placed = [];
    const { side, type, most } = sizes(), high = type - 1, below = side / 2 + high;
    pen.font = face();
    for (const [code, [xs, ys]] of [...of].sort((a, b) => b[1][0].length - a[1][0].length).slice(0, 4 * MOST_NAMES)) {
      if (placed.length === MOST_NAMES) break;
      const whole = data.labels[code], text = whole.length > most ? whole.slice(0, most - 1) + "…" : whole;
      const half = pen.measureText(text).width / 2 + 7;
      const x = Math.max(half, Math.min(v.w - half, middle(xs))), y0 = middle(ys);
      for (const by of near.length ? [below, -below, 0, below + 2 * type, -below - 2 * type] : [0, -2 * type, 2 * type, -4 * type, 4 * type]) { // below a picture
        const y = Math.max(high, Math.min(v.h - high, y0 + by));
        if (placed.some((one) => Math.abs(one.x - x) < one.half + half + 2 && Math.abs(one.y - y) < 2 * high + 2)) continue;
        placed.push({ code, text, x, y, half, high });
        break;
      }
    }
    return placed;
  }

  function planNow() {
    scheduled = false;
    if (!chart) return;
    const v = view(), seen = visible(v);
    near = pictured(seen);
    names = named(seen, v);
    const hidden = count - seen.length, one = isOne(seen.length), values = { n: number(seen.length), hidden: number(hidden) };
    const whole = say(one ? "{n} photo in view." : "{n} photos in view.", values);
    byId("mapstatus").textContent = hidden ? say(one ? "{n} photo in view, {hidden} elsewhere or filtered out." : "{n} photos in view, {hidden} elsewhere or filtered out.", values) : whole;
    chart.setOption({ series: [
      { id: "pictures", data: near.map((at) => [layout.x[at], layout.y[at], at]) },
      { id: "names", data: names.map((one, at) => [...v.back(one.x, one.y), at]) },
      { id: "picked", data: seen.filter(([at]) => tray.has(at)).map(([at]) => [layout.x[at], layout.y[at]]) },
    ] }, { lazyUpdate: true });
  }
  function plan() {
    if (scheduled) return;
    scheduled = true;
    setTimeout(planNow, 60);
  }

  function drawPicture(_params, api) {
    const at = api.value(2), from = tile(at);
    if (!from) return null;
    const [x, y] = api.coord([api.value(0), api.value(1)]);
    const { side } = sizes(), half = side / 2;
    return {
      type: "group", silent: true,
      children: [
        { type: "image", style: { image: from.image, x: x - half, y: y - half, width: side, height: side, sx: from.x, sy: from.y, sWidth: map.tile, sHeight: map.tile } },
        { type: "rect", shape: { x: x - half, y: y - half, width: side, height: side, r: 4 }, style: { fill: "none", stroke: hue(codes[at]), lineWidth: 2.5 } },
      ],
    };
  }
  function drawName(_params, api) {
    const one = names[api.value(2)];
    if (!one) return null;
    const [x, y] = api.coord([api.value(0), api.value(1)]);
    return { type: "text", silent: true, x, y, style: { text: one.text, font: face(), fill: color("ink"), backgroundColor: color("card"), borderColor: hue(one.code), borderWidth: 1.5, borderRadius: 6, padding: [3, 6], align: "center", verticalAlign: "middle" } };
  }

  /** One series a colour, each drawn as one path: thousands of dots move without hanging. */
  function dots() {
    const of = new Map([[-1, []], ...HUES.map((_, at) => [at, []])]);
    for (let at = 0; at < count; at++) {
      if (keep(codes[at])) of.get(hueAt(codes[at])).push([layout.x[at], layout.y[at]]);
    }
    const side = count > 3000 ? 5 : count > 300 ? 7 : 11;
    return [...of].map(([at, points]) => ({
      type: "scatter", id: "dots" + at, data: points, symbolSize: side, large: true, largeThreshold: 200, silent: true,
      itemStyle: { color: at < 0 ? color("faint") : HUES[at][isDark() ? 1 : 0], opacity: 0.82 }, emphasis: { disabled: true },
    }));
  }

  function draw(width, height) {
    const zoom = chart ? chart.getOption().dataZoom.map((z) => ({ start: z.start, end: z.end })) : [{}, {}];
    if (chart) chart.dispose();
    chart = echarts.init(box, null, { renderer: "canvas", width, height });
    const axis = { type: "value", show: false, min: -PAD, max: SPAN + PAD };
    chart.setOption({
      animation: false,
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      xAxis: axis, yAxis: axis,
      dataZoom: [
        { type: "inside", xAxisIndex: 0, filterMode: "none", minSpan: 0.5, ...zoom[0] },
        { type: "inside", yAxisIndex: 0, filterMode: "none", minSpan: 0.5, ...zoom[1] },
      ],
      series: [
        ...dots(),
        { type: "custom", id: "pictures", z: 5, silent: true, renderItem: drawPicture, data: [], clip: true },
        { type: "scatter", id: "picked", z: 6, silent: true, symbol: "circle", symbolSize: 20, itemStyle: { color: "transparent", borderColor: color("second"), borderWidth: 4 }, data: [] },
        { type: "custom", id: "names", z: 8, silent: true, renderItem: drawName, data: [], clip: true },
      ],
    });
    chart.on("datazoom", () => { leave(); plan(); });
    plan();
  }
  /** Show other labels, or the same in other colours. */
  function again() {
    chart.setOption({ series: dots() });
    plan();
  }

  /** Find the photo at a point of the map: a thumbnail under it first, else the nearest dot. */
  function at(x, y, reach = REACH) {
    const v = view();
    for (const one of near) {
      if (Math.abs(v.px(one) - x) <= 23 && Math.abs(v.py(one) - y) <= 23) return one;
    }
    let best = -1, least = reach * reach;
    for (const [one, px, py] of visible(v)) {
      const gap = (px - x) ** 2 + (py - y) ** 2;
      if (gap < least) [best, least] = [one, gap];
    }
    return best;
  }

  function tell(one, clientX, clientY) {
    hover.replaceChildren(...[faceOf(one, 96)].filter(Boolean));
    const words = document.createElement("div");
    for (const [tag, text, kind] of [["b", labelOf(one), ""], ["span", data.photos.paths[one], "path"]]) {
      const line = document.createElement(tag), inner = document.createElement("bdi");
      line.className = kind;
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
  function leave() { hover.hidden = true; box.style.cursor = ""; }
  const under = (event) => {
    const place = box.getBoundingClientRect();
    return at(event.clientX - place.left, event.clientY - place.top);
  };

  box.addEventListener("pointermove", (event) => {
    if (event.buttons || event.pointerType !== "mouse" || !chart) return;
    const one = under(event);
    if (one < 0) return leave();
    box.style.cursor = "pointer";
    tell(one, event.clientX, event.clientY);
  });
  box.addEventListener("pointerleave", leave);
  box.addEventListener("click", (event) => {
    const one = under(event);
    leave();
    if (one >= 0) window.verger.card.open(one);
    else window.verger.card.close();
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
    else if (event.key === "Enter") {
      const one = at(chart.getWidth() / 2, chart.getHeight() / 2, Infinity);
      if (one >= 0) window.verger.card.open(one);
    } else if (event.key === "Escape") { leave(); window.verger.card.close(); } else return;
    event.preventDefault();
  });
  byId("zoomin").addEventListener("click", () => zoomBy(0.6));
  byId("zoomout").addEventListener("click", () => zoomBy(1 / 0.6));
  byId("whole").addEventListener("click", whole);
  byId("photos").addEventListener("change", plan);
  byId("layout").addEventListener("change", (event) => { layout = map.layouts[event.target.value]; leave(); whole(); draw(); });

  window.verger.map = {
    count, box, labelOf, faceOf, hue, hues: HUES.length, view, visible, plan,
    keepOnly(test) { keep = test; again(); },
    brighten(code) { bright = code; again(); },
    places: () => { const v = view(); return Array.from({ length: count }, (_, one) => [v.px(one), v.py(one)]); },
    near: () => near.length,
    names: () => names,
  };
  window.verger.drawMap = draw;
})();
