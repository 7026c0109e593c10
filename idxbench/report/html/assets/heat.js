"use strict";
// Matrices of cosines, one chart per panel, all on one scale from dark (low) to light (1).
const Heat = (() => {
  // Cividis: equal steps of lightness, the same to those who see no red or no green, and on paper.
  const COLOURS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
  const MARGIN = { left: 74, top: 4, right: 4, bottom: 4 };

  function rgb(share) {
    const at = Math.min(0.9999, Math.max(0, share)) * (COLOURS.length - 1);
    const i = Math.floor(at);
    const parts = (text) => [1, 3, 5].map((from) => parseInt(text.slice(from, from + 2), 16));
    const [a, b] = [parts(COLOURS[i]), parts(COLOURS[i + 1])];
    return a.map((one, c) => one + (b[c] - one) * (at - i));
  }

  /** Paint a matrix: some pixels per cosine, so that nothing is blurred when it is scaled. */
  function paint(bytes, n) {
    const times = Math.max(1, Math.round(480 / n));
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = n * times;
    const context = canvas.getContext("2d");
    const image = context.createImageData(n * times, n * times);
    const table = Array.from({ length: 256 }, (_, value) => rgb(value / 255));
    for (let i = 0; i < n * times; i++) {
      for (let j = 0; j < n * times; j++) {
        const colour = table[bytes[Math.floor(i / times) * n + Math.floor(j / times)]];
        image.data.set([...colour, 255], 4 * (i * n * times + j));
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  function option(picture, panel, bytes, colours, high) {
    const { size: n, low, classes } = picture.drawing;
    const canvas = paint(bytes, n);
    const classOf = (i) => classes.find((one) => one.from <= i && i <= one.to);
    const value = (i, j) => low + (bytes[i * n + j] / 255) * (1 - low);
    const borders = classes.filter((one) => one.name && one.from > 0).map((one) => one.from);
    const lines = borders.flatMap((at) => [{ xAxis: at }, { yAxis: at }]);
    const scale = { type: "value", min: 0, max: n, axisLabel: { show: false }, axisTick: { show: false }, splitLine: { show: false }, axisLine: { show: false } };
    // Names that would stand on top of each other: the first stays.
    const middles = [];
    for (const one of classes.filter((each) => each.name)) {
      const middle = (one.from + one.to + 1) / 2;
      if (!middles.length || (middle - middles.at(-1)) * (high / n) >= 11) middles.push(middle);
    }
    return {
      ...Draw.base(colours, () => ""),
      tooltip: { ...Draw.base(colours).tooltip, trigger: "axis", axisPointer: { type: "none" }, formatter: (given) => {
        const [x, y] = picture.pointer || [0, 0];
        const i = Math.min(n - 1, Math.max(0, Math.floor(y))), j = Math.min(n - 1, Math.max(0, Math.floor(x)));
        const names = [classOf(i), classOf(j)].map((one) => one && one.name).map((name) => name || "small class");
        return picture.list(panel.title, [["cosine", Format.write(value(i, j), "share")], ["between", names.join(" and ")]]);
      } },
      grid: MARGIN,
      xAxis: scale,
      yAxis: {
        ...scale, inverse: true,
        axisLabel: {
          show: true, color: colours.quiet, fontSize: 10, customValues: middles, hideOverlap: true, width: 64, overflow: "truncate",
          formatter: (at) => (classes.find((one) => Math.abs((one.from + one.to + 1) / 2 - at) < 1e-6) || { name: "" }).name,
        },
      },
      series: [{
        type: "custom", data: [[0, 0], [n, n]], encode: { x: 0, y: 1 }, clip: true,
        renderItem: (params, api) => {
          if (params.dataIndex > 0) return null;
          const [x, y] = api.coord([0, 0]), [right, bottom] = api.coord([n, n]);
          return { type: "image", style: { image: canvas, x, y, width: right - x, height: bottom - y } };
        },
        markLine: {
          silent: true, symbol: "none", precision: 14, label: { show: false }, animation: false, data: lines,
          // Where there are many, lines must not hide what they part.
          lineStyle: { color: "#ffffff", width: 0.7, type: [2, 2], opacity: borders.length <= 10 ? 0.8 : 0.25 },
        },
      }],
    };
  }

  /** Draw all panels into a figure; returns the charts, for resizing and closing. */
  function draw(picture, host, colours, width) {
    const { panels, low } = picture.drawing;
    const grid = document.createElement("div");
    grid.className = "panels";
    host.replaceChildren(grid, bar(low));
    const columns = Math.max(1, Math.min(panels.length, Math.floor(width / 230)));
    const across = Math.floor((width - 12 * (columns - 1)) / columns);
    grid.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
    return panels.map((panel, i) => {
      const cell = document.createElement("div"), title = document.createElement("p"), place = document.createElement("div");
      title.textContent = panel.title;
      const high = Math.min(340, across - MARGIN.left);
      place.style.height = `${high + MARGIN.top + MARGIN.bottom}px`;
      cell.append(title, place);
      grid.append(cell);
      const chart = echarts.init(place, null, { renderer: "canvas" });
      const bytes = Uint8Array.from(atob(panel.data), (c) => c.charCodeAt(0));
      chart.setOption(option(picture, panel, bytes, colours, high));
      chart.getZr().on("mousemove", (event) => {
        picture.pointer = chart.convertFromPixel({ gridIndex: 0 }, [event.offsetX, event.offsetY]);
      });
      return chart;
    });
  }

  function bar(low) {
    const holder = document.createElement("p"), ramp = document.createElement("span");
    holder.className = "ramp quiet";
    ramp.style.background = `linear-gradient(to right, ${COLOURS.join(",")})`;
    holder.append(`cosine ${Format.tick(low, "share")}${low > -1 ? " or less" : ""}`, ramp, "1");
    return holder;
  }

  return { draw };
})();
