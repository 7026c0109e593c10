"use strict";
// The data of a picture: the CSV in the page, and nothing else.
const Data = (() => {
  /** Split CSV into rows of fields (RFC 4180). */
  function parse(text) {
    const rows = [];
    let row = [], field = "", quoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (quoted) {
        if (c !== '"') field += c;
        else if (text[i + 1] === '"') { field += '"'; i++; }
        else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === ",") { row.push(field); field = ""; }
      else if (c === "\n") { row.push(field); rows.push(row); row = []; field = ""; }
      else field += c;
    }
    return rows;
  }

  /** Read the rows of a picture: objects by column, numbers as numbers, NaN where there is none. */
  function read(text, columns) {
    const [header, ...rows] = parse(text);
    const kinds = Object.fromEntries(columns.map((column) => [column.key, column.kind]));
    return rows.map((fields) => Object.fromEntries(header.map((key, i) => {
      if (kinds[key] === "text") return [key, fields[i]];
      if (kinds[key] === "date") return [key, Date.parse(fields[i])];
      return [key, fields[i] === "" ? NaN : Number(fields[i])];
    })));
  }

  const asText = (value) => (typeof value === "number" ? String(value) : value);

  /** Keep the rows that a picture's controls choose; rows that say nothing about a control stay. */
  function choose(rows, chosen) {
    const asked = Object.entries(chosen);
    return rows.filter((row) => asked.every(([key, value]) => {
      const held = asText(row[key]);
      return held === "" || held === "NaN" || held === value;
    }));
  }

  const unique = (values) => [...new Set(values)];

  /** Leave out of a name the words that all names have. */
  function short(name, names) {
    const words = (text) => text.replaceAll(",", "").split(" ");
    const common = new Set(words(names[0]).filter((word) => names.every((one) => words(one).includes(word))));
    return words(name).filter((word) => !common.has(word)).join(" ");
  }

  return { read, choose, unique, short };
})();
