"use strict";
// A figure of the page: its data, what the reader has chosen, its legend, and the chart once it is drawn.
class Picture {
  static groups = new Map(); // name -> number of its colour and shape, the same in all pictures

  constructor(figure) {
    this.figure = figure;
    this.drawing = JSON.parse(figure.querySelector("script.settings").textContent);
    this.columns = this.drawing.columns;
    this.rows = Data.read(figure.querySelector("pre.csv").textContent, this.columns);
    this.host = figure.querySelector(".canvas");
    this.hidden = new Set();
    this.nines = false;
    this.charts = [];
    this.at = null;
    this.chosen = Object.fromEntries(this.drawing.controls.map((one) => [one.column, one.first]));
    if (this.drawing.draw !== "bars" && this.drawing.draw !== "heat") {
      this.variants = Data.unique(this.rows.map((row) => this.variant(row))).filter(Boolean);
    }
    this.build();
  }

  /** What the dash of a line stands for: the index, where there are several. */
  variant(row) {
    const { line, variant } = this.drawing;
    const keys = variant || (line.includes("index") ? ["index", "build"] : []);
    return keys.map((key) => row[key]).filter(Boolean).join(" ");
  }

  slot(group) {
    if (this.drawing.slots) return this.drawing.slots[group] || 0;
    if (!Picture.groups.has(group)) Picture.groups.set(group, Picture.groups.size);
    return Picture.groups.get(group);
  }

  dashOf(variant) {
    return Math.max(0, this.variants.indexOf(variant));
  }

  build() {
    const controls = this.figure.querySelector(".controls");
    for (const one of this.drawing.controls) if (one.options.length > 1) controls.append(this.choice(one));
    if (this.drawing.x && this.drawing.x.nines) {
      controls.append(this.button("Spread out near 1", false, (pressed) => { this.nines = pressed; }));
    }
    this.legend();
    this.plot = document.createElement("div");
    this.plot.className = "plot";
    this.live = document.createElement("p");
    this.live.className = "unseen";
    this.live.setAttribute("aria-live", "polite");
    if (this.drawing.draw !== "heat") {
      Object.assign(this.plot, { tabIndex: 0 });
      this.plot.setAttribute("role", "img");
      this.plot.setAttribute("aria-label", `${this.drawing.title}. Arrow keys step through the points.`);
      this.plot.setAttribute("aria-describedby", `${this.figure.id}-reading`);
      this.plot.addEventListener("keydown", (event) => this.step(event));
      this.plot.addEventListener("blur", () => this.leave());
    } else {
      this.plot.setAttribute("role", "img");
      this.plot.setAttribute("aria-label", `${this.drawing.title}; means are in the table below`);
    }
    this.host.append(this.plot, this.live);
    this.table();
    const link = this.figure.querySelector("a[download]");
    link.addEventListener("click", () => {
      const text = this.figure.querySelector("pre.csv").textContent;
      link.href = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    });
  }

  /** A long table is filled when it is opened. */
  table() {
    const body = this.figure.querySelector("tbody.later"), details = this.figure.querySelector("details.data");
    if (!body) return;
    details.addEventListener("toggle", () => {
      if (!details.open || body.rows.length) return;
      body.append(...this.rows.map((row) => {
        const line = document.createElement("tr");
        line.append(...this.columns.map(({ key, kind }, i) => {
          const cell = document.createElement(i ? "td" : "th");
          if (!i) cell.scope = "row";
          cell.textContent = Format.write(row[key], kind);
          return cell;
        }));
        return line;
      }));
    });
  }

  choice(one) {
    const holder = document.createElement("span"), label = document.createElement("label"), select = document.createElement("select");
    select.id = `${this.figure.id}-${one.column}`;
    label.htmlFor = select.id;
    label.textContent = one.label;
    holder.className = "choice";
    holder.append(label, select);
    for (const { value, label } of one.options) select.append(new Option(label, value, false, value === one.first));
    select.addEventListener("change", () => { this.chosen[one.column] = select.value; this.draw(); });
    return holder;
  }

  button(text, pressed, change, sample) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(pressed));
    if (sample) button.append(sample);
    button.append(text);
    button.addEventListener("click", () => {
      const now = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(now));
      change(now);
      this.draw();
    });
    return button;
  }

  toggle(text, key, sample) {
    return this.button(text, true, (shown) => { this.hidden[shown ? "delete" : "add"](key); }, sample);
  }

  legend() {
    const entries = [...this.groupEntries(), ...this.partEntries()];
    if (!entries.length) return;
    const holder = document.createElement("div");
    holder.className = "legend";
    holder.setAttribute("role", "group");
    holder.setAttribute("aria-label", `Series of: ${this.drawing.title}`);
    holder.append(...entries);
    this.host.append(holder);
  }

  groupEntries() {
    const { group, rule } = this.drawing;
    if (!group) return [];
    const groups = Data.unique(this.rows.filter((row) => !rule || !rule.values.includes(row[rule.column])).map((row) => row[group]));
    const entries = groups.map((name) => {
      const slot = this.slot(name), colour = `var(--series-${slot % 8})`;
      return this.toggle(name, name, Style.sample({ shape: Style.shape(slot), dash: this.variants && this.variants.length <= 1 ? "solid" : undefined, colour }));
    });
    const told = this.variants && this.variants.length > 1 && this.variants.length <= 16 ? this.variants : [];
    return [...entries, ...told.map((name, i) =>
      this.toggle(this.short(name) || name, "\u0001" + name, Style.sample({ dash: Style.dash(i), colour: "var(--quiet)" })))];
  }

  /** Leave out what all indexes have in common. */
  short(name) {
    return Data.short(name, this.variants);
  }

  partEntries() {
    const parts = (this.drawing.panels || []).filter((panel) => panel.parts && panel.parts.length > 1).flatMap((panel) => panel.parts);
    return parts.map((part) => this.toggle(part.label, part.label,
      Style.sample({ colour: `var(--series-${part.slot % 8})`, decal: Boolean(part.decal) })));
  }

  /** Describe a point: all that its row holds, intervals beside their figure. */
  describe(point) {
    if (!point) return "";
    const w = this.drawing.whiskers || point.part || {};
    const ends = new Set([w.low, w.high]);
    const facts = [];
    const levels = new Set((this.drawing.levels || []).map((level) => level.column));
    for (const { key, title, kind } of this.columns) {
      if (ends.has(key) || levels.has(key)) continue;
      const text = Format.write(point.row[key], kind);
      if (text === "" || text === "–" || title === "role") continue;
      facts.push([title, text]);
    }
    if (point.level) {
      const { x, y } = this.drawing;
      const column = this.columns.find((one) => one.key === point.level.column);
      facts.push([x.kind === "percentile" ? column.title : `${x.name} ${column.title}`, Format.write(point.y, y.kind)]);
    }
    if (w.low && Number.isFinite(point.row[w.low])) {
      const at = facts.findIndex(([title]) => title === this.measured());
      const kind = this.columns.find((one) => one.key === w.low).kind;
      const range = `${Format.write(point.row[w.low], kind)} to ${Format.write(point.row[w.high], kind)}`;
      if (at >= 0) facts[at][1] += ` (${range})`;
      else facts.push(["interval", range]);
    }
    const [[, head], ...rest] = facts;
    return this.list(head, rest);
  }

  /** The header of the column that whiskers belong to. */
  measured() {
    const { drawing } = this;
    const key = drawing.whiskers ? drawing[drawing.whiskers.axis].column : drawing.panels ? drawing.panels[0].parts[0].column : "";
    return (this.columns.find((one) => one.key === key) || {}).title;
  }

  /** Make a tip; every word goes in as text. */
  list(head, facts) {
    const holder = document.createElement("div"), title = document.createElement("strong"), list = document.createElement("dl");
    holder.className = "tip";
    title.textContent = head;
    for (const [name, value] of facts) {
      const row = document.createElement("div"), term = document.createElement("dt"), told = document.createElement("dd");
      term.textContent = name;
      told.textContent = value;
      row.append(term, told);
      list.append(row);
    }
    holder.append(title, list);
    return holder;
  }

  height(rows, width) {
    if (this.drawing.draw === "bars") return Bars.layout(this, rows, width).height;
    return this.figure.classList.contains("wide") ? Math.max(300, Math.min(440, width * 0.5)) : Math.max(260, Math.min(320, width * 0.6));
  }

  draw(width = 0) {
    const colours = Style.theme();
    const across = width || this.plot.clientWidth || this.host.clientWidth;
    if (!across) return;
    this.width = across;
    const rows = Data.choose(this.rows, this.chosen);
    if (this.drawing.draw === "heat") {
      this.close();
      this.charts = Heat.draw(this, this.plot, colours, across);
      return;
    }
    const size = { width: across, height: this.height(rows, across) };
    this.plot.style.height = `${size.height}px`;
    if (!this.charts.length) this.charts = [echarts.init(this.plot, null, { renderer: "svg", ...size })];
    const [chart] = this.charts;
    chart.resize(size);
    const { option, index } = this.drawing.draw === "bars" ? Bars.bars(this, rows, colours, size) : Draw.curves(this, rows, colours, size);
    chart.setOption(option, { notMerge: true });
    this.index = index.filter((one) => one.points.length);
    this.at = null;
  }

  close() {
    for (const chart of this.charts) chart.dispose();
    this.charts = [];
  }

  /** Step through the points by arrow keys: left and right along a line, up and down between lines. */
  step(event) {
    const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (event.key === "Escape") return this.leave();
    if (!(event.key in moves) || !this.index || !this.index.length) return undefined;
    event.preventDefault();
    const bars = this.drawing.draw === "bars";
    const [along, across] = bars ? [...moves[event.key]].reverse() : moves[event.key];
    const wrap = (value, n) => ((value % n) + n) % n;
    const line = this.at ? wrap(this.at.line + along, this.index.length) : 0;
    const points = this.index[line].points;
    const place = this.at ? wrap(Math.min(this.at.place, points.length - 1) + across, points.length) : 0;
    this.leave();
    this.at = { line, place };
    const where = { seriesIndex: this.index[line].series, dataIndex: place };
    this.charts[0].dispatchAction({ type: "highlight", ...where });
    this.charts[0].dispatchAction({ type: "showTip", ...where });
    this.live.textContent = [...this.describe(points[place]).querySelectorAll("strong, dt, dd")].map((one) => one.textContent).join(" ");
    return undefined;
  }

  leave() {
    if (!this.charts.length || this.drawing.draw === "heat") return;
    this.charts[0].dispatchAction({ type: "downplay" });
    this.charts[0].dispatchAction({ type: "hideTip" });
    this.at = null;
  }
}
