"use strict";
// Bars: a line per strategy or index, a panel per measure; panels share their lines.
const Bars = (() => {
  const LINE = 24, HEAD = 22, FOOT = 40, NARROW = 140;

  /** Say which lines there are: the parts of their names that tell them apart. */
  function categories(picture, rows) {
    const { drawing } = picture;
    const shown = drawing.group ? rows.filter((row) => !picture.hidden.has(row[drawing.group])) : drawing.only ? rows.filter((row) => row[drawing.only.column] === drawing.only.value) : rows;
    const [first, ...others] = drawing.category;
    const known = Object.fromEntries(others.map((key) => [key, Data.unique(shown.map((row) => row[key]))]));
    const nameOf = (row) => [row[first], ...others.map((key) => Data.short(row[key], known[key]))].filter(Boolean).join(" · ");
    const found = new Map();
    for (const row of shown) {
      const key = Draw.joined(row, drawing.category);
      if (!found.has(key)) found.set(key, { name: nameOf(row), row });
    }
    return [...found.values()];
  }

  function layout(picture, rows, width) {
    const n = categories(picture, rows).length, panels = picture.drawing.panels.length;
    const columns = width < NARROW * panels + 100 ? 1 : panels;
    const high = HEAD + n * LINE + FOOT;
    return { n, columns, high, height: Math.ceil(panels / columns) * high };
  }

  function bars(picture, rows, colours, size) {
    const { drawing } = picture;
    const lines = categories(picture, rows);
    const place = layout(picture, rows, size.width);
    const longest = Math.max(4, ...lines.map((line) => line.name.length));
    const names = Math.round(Math.min(longest * 6.6 + 12, size.width * (size.width < 480 ? 0.48 : place.columns === 1 ? 0.4 : 0.3)));
    const room = (size.width - names - 8) / place.columns;
    const option = { grid: [], xAxis: [], yAxis: [], series: [] };
    const index = [];
    drawing.panels.forEach((panel, i) => {
      const column = i % place.columns, top = Math.floor(i / place.columns) * place.high + HEAD;
      option.grid.push({
        left: names + column * room, width: room - (place.columns > 1 ? 26 : 24), top, height: lines.length * LINE,
      });
      const scale = scaleOf(panel, lines, rows, picture, Math.max(2, Math.floor(room / 60)));
      const kind = panel.scale;
      option.xAxis.push(Draw.axis(panel.title, scale, kind, colours, { gridIndex: i, nameGap: 24, axisLine: { show: false } }));
      option.yAxis.push({
        type: "category", gridIndex: i, inverse: true, data: lines.map((_, at) => String(at)),
        axisTick: { show: false }, axisLine: { lineStyle: { color: colours.line } },
        axisLabel: {
          show: column === 0, interval: 0, color: colours.ink, fontSize: 12, width: names - 10, overflow: "truncate",
          formatter: (at) => lines[Number(at)].name,
        },
      });
      panelSeries(picture, panel, i, lines, rows, scale, colours, option, index);
    });
    Object.assign(option, Draw.base(colours, (given) => {
      const one = index.find((entry) => entry.series === given.seriesIndex);
      return one ? picture.describe(one.points[given.dataIndex]) : "";
    }));
    return { option, index };
  }

  function rulesOf(panel, rows, picture) {
    return (panel.rules || []).flatMap((rule) => rows.filter((row) => row.role === rule.role)
      .map((row) => ({ value: row[rule.column], label: rule.role })));
  }

  function scaleOf(panel, lines, rows, picture, most) {
    const values = panel.parts.flatMap((part) => lines.flatMap(({ row }) =>
      [row[part.column], part.low ? row[part.low] : NaN, part.high ? row[part.high] : NaN]));
    if (panel.stack) values.push(...lines.map(({ row }) => panel.parts.reduce((sum, part) => sum + (row[part.column] || 0), 0)));
    if (panel.ticks) values.push(...lines.map(({ row }) => row[panel.ticks.column]));
    if (panel.band) values.push(...lines.flatMap(({ row }) => panel.band.map((key) => row[key])));
    values.push(...rulesOf(panel, rows, picture).map((rule) => rule.value));
    if (panel.log) return Scales.make("log", [1, ...values], most);
    return Scales.make("linear", values, most, panel.scale === "share" && !panel.free ? { unit: true } : { zero: true, least: panel.free ? 0.02 : 0 });
  }

  function panelSeries(picture, panel, i, lines, rows, scale, colours, option, index) {
    const at = { xAxisIndex: i, yAxisIndex: i };
    const rules = rulesOf(panel, rows, picture);
    option.series.push({
      type: "bar", data: [], silent: true, ...at,
      markLine: {
        silent: true, symbol: "none", precision: 14, animation: false, z: 0, label: { show: false },
        data: [
          ...Draw.gridLines(scale, "xAxis", colours),
          ...(scale.low < 0 ? [{ xAxis: scale.to(panel.log ? 1 : 0), lineStyle: { color: colours.quiet, type: "solid", width: 1 } }] : []),
          ...rules.map((rule) => ({
            xAxis: scale.to(rule.value),
            label: { show: true, formatter: rule.label, position: "start", color: colours.quiet, fontSize: 11, distance: 1 },
            lineStyle: { color: colours.ink, width: 1.4, type: rule.label === "floor" ? [5, 3] : [1.5, 3] },
          })),
        ],
      },
    });
    if (panel.band) option.series.push(bandOf(panel, lines, scale, at, colours));
    for (const part of panel.parts) {
      if (picture.hidden.has(part.label)) continue;
      const fill = Style.colour(colours, part.slot);
      index.push({ series: option.series.length, points: lines.map(({ row }) => ({ row, y: row[part.column], part })) });
      option.series.push(part.point ? pointOf(picture, part, lines, scale, at, colours) : {
        type: "bar", ...at, stack: panel.stack ? `s${i}` : undefined, barWidth: "58%", z: 3,
        data: lines.map(({ row }) => (Number.isFinite(row[part.column]) ? row[part.column] : null)),
        itemStyle: { color: fill, decal: part.decal ? { color: colours.paper, dashArrayX: [1, 0], dashArrayY: [2, 5], rotation: -0.8 } : { symbol: "none" } },
        emphasis: { itemStyle: { color: fill, borderColor: colours.ink, borderWidth: 1 } },
      });
      if (part.low) option.series.push(whiskerOf(part, lines, scale, at, colours));
    }
    if (panel.ticks) {
      option.series.push({
        type: "scatter", ...at, silent: true, symbol: "rect", symbolSize: [3, 18], z: 4, tooltip: { show: false },
        data: lines.map(({ row }, line) => [row[panel.ticks.column], String(line)]).filter(([v]) => Number.isFinite(v)),
        itemStyle: { color: colours.ink },
      });
    }
  }

  /** Points in place of bars, where the distance from nothing says nothing. */
  function pointOf(picture, part, lines, scale, at, colours) {
    const { group } = picture.drawing;
    return {
      type: "scatter", ...at, z: 4, symbolSize: 9,
      data: lines.map(({ row }, line) => {
        const slot = group ? picture.slot(row[group]) : part.slot;
        return {
          value: [scale.to(row[part.column]), String(line)], symbol: `path://${Style.shape(slot)}`,
          itemStyle: { color: Style.colour(colours, slot), opacity: 1 },
        };
      }),
    };
  }

  /** A shape from one value to another, on the line of each row. */
  function spans(lines, [low, high], scale, at, z, shape) {
    const data = lines.map(({ row }, line) => [scale.to(row[low]), line, scale.to(row[high])])
      .filter(([from, , to]) => Number.isFinite(from) && Number.isFinite(to));
    return {
      type: "custom", ...at, silent: true, z, data, tooltip: { show: false }, encode: { x: [0, 2], y: 1 }, clip: true,
      renderItem: (params, api) => {
        const [x1, y1] = api.coord([api.value(0), api.value(1)]);
        const [x2] = api.coord([api.value(2), api.value(1)]);
        return shape(x1, x2, y1);
      },
    };
  }

  const whiskerOf = (part, lines, scale, at, colours) => spans(lines, [part.low, part.high], scale, at, part.point ? 3 : 5,
    (x1, x2, y) => ({ type: "line", shape: { x1, y1: y, x2, y2: y }, style: { stroke: colours.ink, lineWidth: 1.4 } }));

  const bandOf = (panel, lines, scale, at, colours) => spans(lines, panel.band, scale, at, 1,
    (x1, x2, y) => ({ type: "rect", shape: { x: x1, y: y - 9, width: x2 - x1, height: 18 }, style: { fill: colours.front } }));

  return { bars, layout };
})();
