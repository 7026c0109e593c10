"use strict";
// How figures are written: as the terminal writes them (idxbench/report/style.py).
const Format = (() => {
  const NONE = "–";

  function significant(value) {
    if (value === 0) return "0";
    const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  function share(value, digits = 3) {
    // Rounding must not promise what was not measured: .9996 is not 1.000.
    if (value < 1 - 1e-7 && Number(value.toFixed(digits)) === 1) value = 1 - 10 ** -digits;
    let text = value.toFixed(digits);
    if (Number(text) === 0) text = text.replace("-", "");
    return Math.abs(value) < 1 ? text.replace("0.", ".") : text;
  }

  function rate(value) {
    for (const [size, letter] of [[1e6, "M"], [1e3, "k"]]) {
      if (value >= size) return significant(value / size) + letter;
    }
    return significant(value);
  }

  const KINDS = {
    share,
    rate,
    seconds: significant,
    number: significant,
    latency: (value) => significant(value * 1e6),
    bytes: (value) => significant(value / 1e6),
    count: (value) => Math.round(value).toLocaleString("en-US"),
    plain: (value) => String(Number(value.toPrecision(6))),
    ratio: (value) => significant(value) + "x",
    date: (value) => new Date(value).toISOString().slice(0, 16).replace("T", " "),
  };

  /** Write a figure of a kind; a dash where there is none. */
  function write(value, kind) {
    if (kind === "text") return value;
    return Number.isFinite(value) ? KINDS[kind](value) : NONE;
  }

  /** Write a label of an axis: no more digits than it needs. */
  function tick(value, kind) {
    const bare = (number) => Number(number.toPrecision(4)).toLocaleString("en-US", { maximumSignificantDigits: 4 });
    if (kind === "share") return bare(value).replace(/^(-?)0\./, "$1.");
    if (kind === "percentile") return value === 0 ? "min" : "p" + bare(value * 100);
    if (kind === "latency") return bare(value * 1e6);
    if (kind === "bytes") return bare(value / 1e6);
    if (kind === "date") return new Date(value).toISOString().slice(0, 10);
    if (kind === "ratio") return bare(value) + "x";
    if (kind === "rate") {
      for (const [size, letter] of [[1e6, "M"], [1e3, "k"]]) if (value >= size) return bare(value / size) + letter;
    }
    return bare(value);
  }

  return { write, tick };
})();
