"use strict";
// Axes: every axis is linear for the library, in coordinates of ours, so that its ticks stand where a reader wants them.
const Scales = (() => {
  const FINEST = 1e-4; // what is nearer to 1 stands at .9999

  function steps(low, high, most) {
    const rough = (high - low) / Math.max(1, most);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough - 1e-12);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push(i * step);
    return ticks;
  }

  function linear(values, most, options) {
    let low = Math.min(...values), high = Math.max(...values);
    if (options.zero) { low = Math.min(0, low); high = Math.max(0, high); }
    if (options.unit) { low = Math.min(0, low); high = Math.max(1, high); }
    if (options.least && high - low < options.least) {
      const middle = (low + high) / 2;
      low = middle - options.least / 2; high = middle + options.least / 2;
    }
    if (!(high > low)) { low -= Math.abs(low) * 0.05 || 0.5; high += Math.abs(high) * 0.05 || 0.5; }
    const pad = (high - low) * (options.tight ? 0 : 0.04);
    if (!(options.unit || (options.zero && low === 0))) low -= pad;
    if (!options.unit) high += pad;
    if (options.most !== undefined) high = Math.min(high, options.most);
    return { to: (v) => v, low, high, ticks: steps(low, high, options.step ? Math.min(Math.floor(high - low), most * 2) : most) };
  }

  function log(values, most) {
    const logs = values.filter((v) => v > 0).map(Math.log10);
    if (!logs.length) return { to: Math.log10, low: 0, high: 1, ticks: [1, 10] };
    let low = Math.min(...logs), high = Math.max(...logs);
    const pad = Math.max((high - low) * 0.05, 0.03);
    low -= pad; high += pad;
    let kept = [];
    // The finest set of marks that is not too many.
    for (const marks of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1, 3], [1]]) {
      kept = [];
      for (let power = Math.floor(low); power <= high; power++) {
        kept.push(...marks.map((one) => one * 10 ** power));
      }
      kept = kept.filter((v) => Math.log10(v) >= low && Math.log10(v) <= high);
      if (kept.length <= most + 1) break;
    }
    while (kept.length > most + 1) kept = kept.filter((_, i) => i % 2 === 0);
    return { to: Math.log10, low, high, ticks: kept };
  }

  /** Give every further nine the same room: 0, .9, .99, .999. */
  function nines(values, most) {
    const to = (v) => -Math.log10(Math.max(1 - v, FINEST));
    const places = values.map(to);
    const low = Math.max(0, Math.min(...places) - 0.08), high = Math.max(...places) + 0.08;
    const marks = [0, 0.2, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999];
    let ticks = marks.filter((v) => to(v) >= low - 1e-9 && to(v) <= high);
    if (ticks.length > most + 1) ticks = ticks.filter((v) => [0, 0.5, 0.9, 0.99, 0.999, 0.9999].includes(v));
    return { to, low, high, ticks };
  }

  /** Whole days, weeks or months. */
  function time(values, most) {
    const day = 86400e3, span = Math.max(...values) - Math.min(...values);
    const low = Math.min(...values) - Math.max(span * 0.03, day / 4), high = Math.max(...values) + Math.max(span * 0.03, day / 4);
    const step = [1, 2, 7, 14, 28, 91, 182, 364].map((one) => one * day).find((one) => (high - low) / one <= most) || 728 * day;
    const ticks = [];
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) ticks.push(at);
    return { to: (v) => v, low, high, ticks };
  }

  /** Make the scale of an axis for the values on it. */
  function make(kind, values, most, options = {}) {
    const held = values.filter(Number.isFinite);
    if (!held.length) held.push(0, 1);
    if (kind === "time") return time(held, Math.min(most, 9));
    if (kind === "log") return log(held, most);
    if (kind === "nines") return nines(held, most);
    return linear(held, most, options);
  }

  return { make };
})();
