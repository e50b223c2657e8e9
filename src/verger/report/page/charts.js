// The charts but the map, drawn as SVG: sharp on paper, and text stays text.
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  /** Return a colour of the style sheet as the canvas wants it, light or dark as the page is. */
  function color(name) {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  }

  /** Cut a label that would take the chart's place. */
  function short(text, most) {
    return text.length > most ? text.slice(0, most - 1) + "…" : text;
  }

  /** Say it in the language of the page; {names} give way to values. */
  function say(text, values) {
    return (data.words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  /** Whether a count has the singular: 1, in French 0 as well. */
  const plurals = new Intl.PluralRules(data.language);
  const isOne = (n) => plurals.select(n) === "one";

  const decimal = (x, digits) => x.toLocaleString(data.language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const percent = (share, digits) => share.toLocaleString(data.language, { style: "percent", minimumFractionDigits: digits ?? 1, maximumFractionDigits: digits ?? 1 });
  const font = "system-ui, sans-serif";

  function axis(extra) {
    const line = { lineStyle: { color: color("line") } };
    const label = { color: color("soft"), fontFamily: font, fontSize: 12, ...(extra || {}).axisLabel };
    return { axisLine: line, axisTick: { show: false }, splitLine: line, nameTextStyle: { color: color("soft") }, ...extra, axisLabel: label };
  }

  /** Make a tooltip of plain text: what photos are called never becomes markup. */
  function tooltip(lines, trigger) {
    return {
      trigger: trigger || "axis",
      confine: true,
      backgroundColor: color("card"),
      borderColor: color("line"),
      textStyle: { color: color("ink"), fontFamily: font, fontSize: 13 },
      formatter(params) {
        const box = document.createElement("div");
        lines(Array.isArray(params) ? params : [params]).forEach((line, at) => {
          const row = document.createElement(at ? "div" : "b");
          const text = document.createElement("bdi");
          text.textContent = line;
          row.append(text);
          box.append(row);
        });
        return box;
      },
    };
  }

  /** The least of 1, 2, 5, 10, 20, 50, … that is not below x. */
  function round(x) {
    const power = 10 ** Math.floor(Math.log10(Math.max(x, 1)));
    return power * [1, 2, 5, 10].find((one) => one * power >= x);
  }

  function varianceOption(width) {
    const v = data.variance;
    const names = v.single.map((_, i) => String(i + 1));
    const marks = v.needed.filter(([, at]) => at && at <= names.length);
    const kept = v.k ? [{ xAxis: v.k - 1, label: { formatter: `k = ${v.k}`, position: "end", color: color("second"), fontFamily: font, fontWeight: 700 } }] : [];
    const step = round(names.length / (width < 520 ? 5 : 11));
    const floor = Math.min(...v.single.filter((x) => x > 0));
    return {
      animation: false,
      // The two share their horizontal axis: neither may give way to its labels alone.
      grid: [{ top: 30, height: "50%" }, { bottom: 34, height: "25%" }].map((box) => ({ left: 68, right: 24, outerBoundsMode: "none", ...box })),
      axisPointer: { link: [{ xAxisIndex: "all" }] },
      tooltip: tooltip((params) => {
        const at = params[0].dataIndex;
        return [say(at ? "{n} components" : "{n} component", { n: at + 1 }), say("together {share}", { share: percent(v.cumulative[at], 2) }), say("this one {share}", { share: percent(v.single[at], 3) })];
      }),
      xAxis: [
        axis({ type: "category", data: names, gridIndex: 0, axisLabel: { show: false }, boundaryGap: false, splitLine: { show: false } }),
        axis({ type: "category", data: names, gridIndex: 1, axisLabel: { interval: (at) => at === 0 || (at + 1) % step === 0 }, name: say("components"), nameLocation: "middle", nameGap: 22, boundaryGap: false, splitLine: { show: false } }),
      ],
      yAxis: [
        axis({ type: "value", gridIndex: 0, min: 0, max: 1, axisLabel: { formatter: (x) => percent(x, 0) } }),
        axis({ type: "log", gridIndex: 1, min: 10 ** Math.floor(Math.log10(floor)), axisLabel: { formatter: (x) => (+x.toPrecision(1)).toLocaleString(data.language, { style: "percent", maximumFractionDigits: 8 }), hideOverlap: true } }),
      ],
      series: [
        {
          type: "line", name: "together", data: v.cumulative, xAxisIndex: 0, yAxisIndex: 0, showSymbol: names.length < 3, symbolSize: 6,
          lineStyle: { color: color("accent"), width: 2.5 }, itemStyle: { color: color("accent") }, areaStyle: { color: color("wash"), opacity: 0.7 },
          markLine: { silent: true, symbol: "none", lineStyle: { color: color("second"), width: 2, type: "solid" }, data: kept },
          markPoint: {
            silent: true, symbol: "circle", symbolSize: 9, itemStyle: { color: color("card"), borderColor: color("accent"), borderWidth: 2.5 },
            label: { show: width > 520, position: "bottom", distance: 8, padding: 2, backgroundColor: color("card"), color: color("ink"), fontFamily: font, fontSize: 12, formatter: (p) => p.data.text },
            data: marks.map(([target, at]) => ({ coord: [at - 1, v.cumulative[at - 1]], text: `${percent(target, 0)} → ${at}` })),
          },
        },
        ...[["accent", "wash", (i) => i < v.k], ["soft", "line", (i) => i >= v.k - 1]].map(([line, area, has]) => ({
          type: "line", name: "this one", xAxisIndex: 1, yAxisIndex: 1, showSymbol: names.length < 3, symbolSize: 6,
          data: v.single.map((x, i) => (has(i) && x > 0 ? x : null)),
          lineStyle: { color: color(line), width: 1.5 }, itemStyle: { color: color(line) }, areaStyle: { color: color(area), opacity: 0.8, origin: "start" },
        })),
      ],
    };
  }

  function purityOption(width) {
    const p = data.purity;
    const room = width < 520 ? 14 : 26;
    return {
      animation: false,
      grid: { left: 8, right: 28, top: 34, bottom: 8, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      legend: { top: 0, left: 0, textStyle: { color: color("ink"), fontFamily: font }, data: [say("before reduction"), say("after reduction")] },
      tooltip: tooltip((params) => {
        const at = params[0].dataIndex;
        return [p.labels[at], say("before {share}", { share: percent(p.raw[at]) }), say("after {share}", { share: percent(p.reduced[at]) })];
      }),
      xAxis: axis({ type: "value", min: 0, max: 1, position: "top", axisLabel: { formatter: (x) => percent(x, 0) } }),
      yAxis: axis({ type: "category", inverse: true, data: p.labels, splitLine: { show: false }, axisLabel: { color: color("ink"), formatter: (t) => short(t, room), interval: 0 } }),
      series: [
        { type: "bar", stack: "gap", silent: true, barWidth: 3, data: p.raw.map((x, i) => Math.min(x, p.reduced[i])), itemStyle: { color: "transparent" }, tooltip: { show: false } },
        { type: "bar", stack: "gap", silent: true, barWidth: 3, data: p.raw.map((x, i) => Math.abs(x - p.reduced[i])), itemStyle: { color: color("line") } },
        { type: "scatter", name: say("before reduction"), symbolSize: 11, symbol: "emptyCircle", data: p.raw, itemStyle: { color: color("second"), borderWidth: 2.5 } },
        { type: "scatter", name: say("after reduction"), symbolSize: 11, data: p.reduced, itemStyle: { color: color("accent") } },
      ],
    };
  }

  function countsOption() {
    const c = data.counts;
    const few = c.labels.length <= 16;
    return {
      animation: false,
      grid: { left: 8, right: 12, top: 12, bottom: 8, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      tooltip: tooltip((params) => {
        const n = params[0].value, one = isOne(n);
        return [c.labels[params[0].dataIndex], say(one ? "{n} photo" : "{n} photos", { n: n.toLocaleString(data.language) })];
      }),
      xAxis: axis({ type: "category", data: c.labels, splitLine: { show: false }, axisLabel: { show: few, color: color("ink"), formatter: (t) => short(t, 14), interval: 0, rotate: c.labels.length > 6 ? 35 : 0 } }),
      yAxis: axis({ type: "value", minInterval: 1 }),
      series: [{ type: "bar", data: c.photos, barCategoryGap: "25%", barMaxWidth: 60, itemStyle: { color: color("accent"), borderRadius: [3, 3, 0, 0] } }],
    };
  }

  function driftOption() {
    const d = data.drift;
    const most = Math.max(d.clear * 1.4, ...d.spreads.map(Math.abs));
    const dashes = [d.small, d.clear].flatMap((x) => [x, -x]).map((x) => ({ yAxis: x }));
    return {
      animation: false,
      grid: { left: 56, right: 24, top: 16, bottom: 40 },
      tooltip: tooltip((params) => [say("component {n}", { n: d.components[params[0].dataIndex] }), say("{n} spreads", { n: decimal(params[0].value, 2) })]),
      xAxis: axis({ type: "category", data: d.components, name: say("component"), nameLocation: "middle", nameGap: 26, splitLine: { show: false }, axisLine: { onZero: false } }),
      yAxis: axis({ type: "value", min: -most, max: most, axisLabel: { formatter: (x) => decimal(x, 1) } }),
      series: [{
        type: "bar", data: d.spreads, barMaxWidth: 26,
        itemStyle: { color: (p) => color(Math.abs(p.value) >= d.clear ? "second" : "accent"), borderRadius: 3 },
        markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { type: "dashed", color: color("soft") }, data: dashes },
      }],
    };
  }

  const kinds = { variancechart: varianceOption, puritychart: purityOption, countschart: countsOption, driftchart: driftOption };
  const rows = { puritychart: data.purity.labels.length * 24 + 80 };
  const drawn = [];

  function draw(width) {
    drawn.splice(0).forEach((chart) => chart.dispose());
    for (const [id, option] of Object.entries(kinds)) {
      const box = document.getElementById(id);
      if (!box) continue;
      if (rows[id]) box.style.height = rows[id] + "px";
      const chart = echarts.init(box, null, { renderer: "svg", width });
      chart.setOption(option(width || box.clientWidth));
      drawn.push(chart);
    }
  }

  window.verger = { data, color, draw, isOne, say };
})();
