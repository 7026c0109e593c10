"use strict";
// Colours, shapes and dashes: what is told apart by colour is told apart without it, too.
const Style = (() => {
  // In a box of 10 x 10; the library and the legends draw the same.
  const SHAPES = [
    "M5,0.6A4.4,4.4,0,1,1,4.99,0.6Z",
    "M1,1H9V9H1Z",
    "M5,0.4L9.8,9.2H0.2Z",
    "M5,0L10,5L5,10L0,5Z",
    "M5,9.6L0.2,0.8H9.8Z",
    "M3.4,0.4H6.6V3.4H9.6V6.6H6.6V9.6H3.4V6.6H0.4V3.4H3.4Z",
    "M2.2,0L5,2.8L7.8,0L10,2.2L7.2,5L10,7.8L7.8,10L5,7.2L2.2,10L0,7.8L2.8,5L0,2.2Z",
    "M5,0L6.4,3.4L10,3.8L7.2,6.2L8.1,10L5,7.9L1.9,10L2.8,6.2L0,3.8L3.6,3.4Z",
  ];
  const DASHES = ["solid", [6, 4], [2, 3], [8, 3, 2, 3], [12, 4], [1, 4]];
  const N = SHAPES.length;

  function variable(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  /** Read the colours of the theme in force. */
  function theme() {
    return {
      ink: variable("--ink"), quiet: variable("--quiet"), line: variable("--line"), grid: variable("--grid"),
      paper: variable("--paper"), front: variable("--front"),
      series: Array.from({ length: N }, (_, i) => variable(`--series-${i}`)),
      font: getComputedStyle(document.body).fontFamily,
    };
  }

  /** Beyond eight, colours come again with another shape. */
  const colour = (colours, i) => colours.series[i % N];
  const shape = (i) => SHAPES[(i + Math.floor(i / N)) % N];
  const dash = (i) => DASHES[i % DASHES.length];

  /** Make the sample of a legend. Markup of our own only: shapes, dashes and colours. */
  function sample({ shape: path, dash: pattern, colour: fill, decal }) {
    let inside = "";
    if (decal !== undefined) {
      inside += `<rect x="1" y="1" width="24" height="10" fill="${fill}"/>`;
      const stripes = [4, 10, 16, 22].map((x) => `M${x - 4},12L${x + 4},0`).join("");
      if (decal) inside += `<path d="${stripes}" class="stripe"/>`;
    }
    if (pattern !== undefined) {
      const dashes = pattern === "solid" ? "" : `stroke-dasharray="${pattern.join(" ")}"`;
      inside += `<path d="M0,6H26" stroke="${fill}" stroke-width="1.6" fill="none" ${dashes}/>`;
    }
    if (path) inside += `<path d="${path}" transform="translate(8 1)" fill="${fill}"/>`;
    const holder = document.createElement("span");
    holder.className = "sample";
    holder.innerHTML = `<svg width="26" height="12" viewBox="0 0 26 12" aria-hidden="true">${inside}</svg>`;
    return holder;
  }

  return { theme, colour, shape, dash, sample };
})();
