"use strict";
// The page as a whole: pictures are drawn when they come near the screen, and again for another theme, width or paper.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const PAPER = 690; // pixels across a sheet
  const { strategies } = JSON.parse(document.getElementById("settings").textContent);
  strategies.forEach((name, i) => Picture.groups.set(name, i));
  const pictures = new Map([...document.querySelectorAll("figure.picture")].map((figure) => [figure, new Picture(figure)]));
  const drawn = () => [...pictures.values()].filter((picture) => picture.charts.length);

  // --- drawn when near
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      if (!pictures.get(entry.target).charts.length) pictures.get(entry.target).draw();
    }
  }, { rootMargin: "400px" });
  for (const figure of pictures.keys()) near.observe(figure);

  let waiting = 0;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (printing) return;
      for (const picture of drawn()) if (picture.plot.clientWidth !== picture.width) picture.draw();
    }, 120);
  });

  // --- light and dark
  const button = document.getElementById("theme"), asked = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : asked.matches);
  const retheme = () => {
    button.setAttribute("aria-pressed", String(dark()));
    for (const picture of drawn()) picture.draw();
  };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; retheme(); });
  asked.addEventListener("change", retheme);
  button.setAttribute("aria-pressed", String(dark()));

  // --- paper: light, all pictures, tables open that are not long
  let printing = null;
  const LONG = 60;
  addEventListener("beforeprint", () => {
    if (printing) return;
    printing = { theme: root.dataset.theme, opened: [] };
    root.dataset.theme = "light";
    root.classList.add("paper");
    for (const details of document.querySelectorAll("details:not([open])")) {
      if (details.querySelectorAll("tbody tr").length > LONG) continue;
      details.open = true;
      printing.opened.push(details);
    }
    for (const picture of pictures.values()) picture.draw(PAPER);
  });
  addEventListener("afterprint", () => {
    if (!printing) return;
    for (const details of printing.opened) details.open = false;
    if (printing.theme) root.dataset.theme = printing.theme;
    else delete root.dataset.theme;
    root.classList.remove("paper");
    printing = null;
    for (const picture of drawn()) picture.draw();
  });
})();
