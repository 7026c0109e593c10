"use strict";
// From rows to an option of the library. Two drawings: curves (points joined by lines), and bars beside each other.
// Every drawing returns { option, points }: points are what the arrow keys step through, best described by their row.
const Draw = (() => {
  const joined = (row, keys) => keys.map((key) => row[key]).join("\u0000");

  function axis(title, scale, kind, colours, extra = {}) {
    return {
      type: "value", min: scale.low, max: scale.high, name: title, nameLocation: "middle",
      nameTextStyle: { color: colours.quiet, fontSize: 12 },
      axisLine: { show: true, onZero: false, lineStyle: { color: colours.line } }, axisTick: { show: false },
      splitLine: { show: true, lineStyle: { color: colours.grid, width: 1 } },
      axisLabel: { color: colours.quiet, fontSize: 11, hideOverlap: true },
      ...ticks(scale, kind, colours), ...extra,
    };
  }

  /** Set marks where the scale wants them; the library then draws labels and lines only there. */
  function ticks(scale, kind, colours) {
    const places = scale.ticks.map(scale.to);
    const name = (place) => Format.tick(scale.ticks[places.findIndex((one) => Math.abs(one - place) < 1e-9)], kind);
    return {
      axisTick: { show: true, length: 3, lineStyle: { color: colours.line }, customValues: places },
      axisLabel: {
        color: colours.quiet, fontSize: 11, hideOverlap: true, customValues: places,
        formatter: (place) => (places.some((one) => Math.abs(one - place) < 1e-9) ? name(place) : ""),
      },
      splitLine: { show: false },
    };
  }

  /** Lines of the grid, as the library knows no marks of ours for them. */
  function gridLines(scale, key, colours) {
    return scale.ticks.map((tick) => ({ [key]: scale.to(tick), lineStyle: { color: colours.grid, width: 1, type: "solid" } }));
  }

  function base(colours, tooltip) {
    return {
      animation: false, backgroundColor: "transparent",
      textStyle: { fontFamily: colours.font, color: colours.ink },
      tooltip: {
        trigger: "item", confine: true, appendTo: undefined, transitionDuration: 0,
        backgroundColor: colours.paper, borderColor: colours.line, borderWidth: 1, padding: [6, 10],
        textStyle: { color: colours.ink, fontSize: 12, fontFamily: colours.font },
        extraCssText: "box-shadow:none;border-radius:3px;white-space:normal;max-width:22rem",
        formatter: tooltip,
      },
    };
  }

  /** Cut the rows that are shown into lines: by group (colour and shape) and index (dash). */
  function lines(picture, rows) {
    const { drawing } = picture;
    const found = new Map();
    for (const row of rows) {
      const key = joined(row, drawing.line);
      if (!found.has(key)) found.set(key, { group: row[drawing.group], variant: picture.variant(row), rows: [] });
      found.get(key).rows.push(row);
    }
    return [...found.values()].filter((line) => !picture.hidden.has(line.group) && !picture.hidden.has("\u0001" + line.variant));
  }

  function pointsOf(picture, line) {
    const { drawing } = picture;
    if (drawing.draw !== "wide") return line.rows.map((row) => ({ row, x: row[drawing.x.column], y: row[drawing.y.column] }));
    return line.rows.flatMap((row) => drawing.levels
      .map((level) => ({ row, level, x: level.at, y: row[level.column] })))
      .filter((point) => !(drawing.x.scale === "nines" && point.x >= 1));
  }

  function markerSize(n) {
    return n > 400 ? 4 : n > 120 ? 6 : 8;
  }

  function curves(picture, rows, colours, size) {
    const { drawing } = picture;
    const drawn = lines(picture, rows).map((line) => ({ ...line, points: pointsOf(picture, line) }));
    const all = drawn.flatMap((line) => line.points).filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
    const xKind = drawing.x.nines && picture.nines ? "nines" : drawing.x.scale;
    const ends = (name) => {
      const w = drawing.whiskers;
      return w && w.axis === name ? all.flatMap((p) => [p.row[w.low], p.row[w.high]]) : [];
    };
    const marks = (drawing.marks || []).filter((mark) => mark.axis === "x").map((mark) => mark.value);
    const atX = Math.max(3, Math.floor(size.width / 90)), atY = Math.max(3, Math.floor(size.height / 55));
    const x = Scales.make(xKind, [...all.map((p) => p.x), ...ends("x"), ...marks], atX,
      { most: drawing.x.scale === "share" ? 1.004 : undefined, step: drawing.x.step });
    const rules = rulesOf(picture, rows);
    const least = (drawing.y.floor || {})[picture.chosen.figure] || 0;
    const y = Scales.make(drawing.y.scale, [...all.map((p) => p.y), ...ends("y"), ...rules.map((rule) => rule.value)], atY,
      { unit: drawing.y.scale === "share", zero: false, least });
    const kinds = { x: kindOf(picture, drawing.x), y: kindOf(picture, drawing.y) };
    const series = [], index = [];
    series.push({
      type: "line", data: [], silent: true,
      markLine: {
        silent: true, symbol: "none", precision: 14, label: { show: false }, animation: false, z: 0,
        data: [...gridLines(x, "xAxis", colours), ...gridLines(y, "yAxis", colours)],
      },
    });
    if (drawing.front) series.push(frontOf(drawing, all, x, y, colours));
    if (drawing.whiskers) series.push(whiskersOf(drawing, drawn, x, y, picture, colours));
    const big = markerSize(all.length);
    for (const line of drawn) {
      const points = line.points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
      const slot = picture.slot(line.group);
      const colour = Style.colour(colours, slot);
      index.push({ series: series.length, points, line });
      series.push({
        type: "line", data: points.map((p) => [x.to(p.x), y.to(p.y)]), symbol: `path://${Style.shape(slot)}`,
        symbolSize: drawing.bare ? 5 : big, showSymbol: true, showAllSymbol: !drawing.bare, color: colour,
        itemStyle: { color: colour, opacity: 1 },
        lineStyle: { color: colour, width: 1.6, type: Style.dash(picture.dashOf(line.variant)) },
        emphasis: { scale: 1.5, lineStyle: { width: 2.4 } }, z: 3, clip: false,
      });
    }
    if (drawing.ring) series.push(ringOf(drawing, all, x, y, colours));
    series.push(marksOf(drawing, rules, all, x, y, colours, size.height - 62));
    const option = {
      ...base(colours, (given) => {
        const one = index.find((entry) => entry.series === given.seriesIndex);
        return one ? picture.describe(one.points[given.dataIndex]) : "";
      }),
      grid: { left: 62, right: rules.length ? 92 : 18, top: 16, bottom: 46 },
      xAxis: axis(drawing.x.title, x, kinds.x, colours, { nameGap: 28 }),
      yAxis: axis(drawing.y.title, y, kinds.y, colours, { nameGap: 46 }),
      series,
    };
    return { option, index };
  }

  function kindOf(picture, told) {
    if (told.kind) return told.kind;
    if (told.scale === "share") return "share";
    const column = picture.columns.find((one) => one.key === told.column);
    return column ? column.kind : "plain";
  }

  /** Levels that all curves of the picture are to be read against: recall as given, the pinned run. */
  function rulesOf(picture, rows) {
    const { rule } = picture.drawing;
    if (!rule) return [];
    return rows.filter((row) => rule.values.includes(row[rule.column]) && Number.isFinite(row[rule.of]))
      .map((row) => ({ value: row[rule.of], label: row[rule.column] }));
  }

  /** Levels with their labels; near ones share a label, as two would cover each other. */
  function levels(rules, y, high) {
    const found = rules.map((rule) => ({ at: y.to(rule.value), label: rule.label })).sort((a, b) => a.at - b.at);
    const pixels = high / (y.high - y.low);
    found.forEach((one, i) => {
      const before = found[i - 1];
      if (!before || (one.at - before.at) * pixels >= 13) return;
      one.label = `${before.label}, ${one.label}`;
      before.label = "";
    });
    return found;
  }

  function marksOf(drawing, rules, all, x, y, colours, high) {
    const data = (drawing.marks || []).map((mark) => ({ xAxis: x.to(mark.value), label: { formatter: mark.label, position: "end" } }));
    data.push(...levels(rules, y, high).map((one) => ({ yAxis: one.at, label: { formatter: one.label, position: "end" } })));
    if (drawing.steps) {
      for (const p of all.filter((one) => one.row[drawing.steps] === "yes")) {
        data.push({ xAxis: x.to(p.x), label: { formatter: "change", position: "end" }, lineStyle: { color: colours.ink } });
      }
    }
    return {
      type: "line", data: [], silent: true, z: 1,
      markLine: {
        silent: true, symbol: "none", precision: 14, animation: false, z: 1, data,
        label: { color: colours.quiet, fontSize: 11, distance: 2, width: 86, overflow: "break" },
        lineStyle: { color: colours.quiet, type: [4, 3], width: 1.2 },
      },
    };
  }

  function frontOf(drawing, all, x, y, colours) {
    const front = all.filter((p) => p.row[drawing.front] === "yes").sort((a, b) => a.x - b.x);
    return {
      type: "line", silent: true, symbol: "none", precision: 14, z: 1, data: front.map((p) => [x.to(p.x), y.to(p.y)]),
      lineStyle: { width: 11, color: colours.front, cap: "round", join: "round" }, tooltip: { show: false },
    };
  }

  function ringOf(drawing, all, x, y, colours) {
    return {
      type: "scatter", silent: true, symbol: "circle", symbolSize: 18, z: 4,
      data: all.filter((p) => p.row[drawing.ring] === "yes").map((p) => [x.to(p.x), y.to(p.y)]),
      itemStyle: { color: "transparent", borderColor: colours.ink, borderWidth: 1.5 }, tooltip: { show: false },
    };
  }

  function whiskersOf(drawing, drawn, x, y, picture, colours) {
    const { axis: along, low, high } = drawing.whiskers;
    const data = drawn.flatMap((line) => line.points.filter((p) => Number.isFinite(p.row[low])).map((p) => ({
      value: along === "x" ? [x.to(p.row[low]), y.to(p.y), x.to(p.row[high]), y.to(p.y)]
        : [x.to(p.x), y.to(p.row[low]), x.to(p.x), y.to(p.row[high])],
      colour: Style.colour(colours, picture.slot(line.group)),
    })));
    return {
      type: "custom", silent: true, z: 2, data, tooltip: { show: false }, encode: { x: [0, 2], y: [1, 3] }, clip: true,
      renderItem: (params, api) => {
        const [x1, y1] = api.coord([api.value(0), api.value(1)]);
        const [x2, y2] = api.coord([api.value(2), api.value(3)]);
        return {
          type: "line", shape: { x1, y1, x2, y2 },
          style: { stroke: data[params.dataIndex].colour, lineWidth: 1.2, opacity: 0.65 },
        };
      },
    };
  }

  return { curves, axis, base, gridLines, joined };
})();
