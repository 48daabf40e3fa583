// Text: the same rules and sizes as units.py, text.py and geometry.py.
const PAD = 10, ROW = 16, CELL = 6.65, LABEL_PAD = 3, LEAST_LABEL = 2 * LABEL_PAD + 4 * CELL;
const TITLE_CELL = 11, LINE_CELL = 7.3, LINE = 15, GAPPED = 3;
const NONE = /[\p{Mn}\p{Me}\p{Cf}]/u;
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const ASCII = /^[\x00-\x7f]*$/;

// By hand: the first number that the browser formats itself takes it tens of milliseconds.
function digits(value, count) {
  const [whole, fraction] = value.toFixed(count).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction ? "." + fraction : "");
}
function weight(value, unit) {
  for (const [size, name] of unit[2]) {
    if (Math.abs(value) >= size) {
      const short = Math.abs(value / size);
      return digits(value / size, short < 10 ? 2 : short < 100 ? 1 : 0) + " " + name;
    }
  }
  return digits(value, Number.isInteger(value) ? 0 : 2) + " " + (value === 1 ? unit[0] : unit[1]);
}
function share(value, whole) {
  return (whole ? 100 * value / whole : 0).toFixed(2) + "%";
}
function cellsOf(character) {
  return NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}
// The text shortened to `room` cells; `cells` is its length where a font may not keep to cells, or 0.
function fit(text, room) {
  if (text.length <= room && ASCII.test(text)) return { text: text, cells: 0 };
  if (ASCII.test(text)) return { text: room < 3 ? "" : text.slice(0, Math.floor(room) - 1) + "…", cells: 0 };
  let used = 0, kept = "", keptCells = 0;
  for (const character of text) {
    used += cellsOf(character);
    if (used <= room - 1) { kept += character; keptCells = used; }
    if (used > room) return { text: room < 3 ? "" : kept + "…", cells: keptCells + 1 };
  }
  return { text: text, cells: used };
}
function cellsIn(text) {
  let used = 0;
  for (const character of text) used += cellsOf(character);
  return used;
}
function wrap(text, room) {
  const lines = [""];
  for (const word of text.split(/(\s+)/)) {
    const last = lines.length - 1;
    if (cellsIn(lines[last] + word) <= room) { lines[last] += word; continue; }
    let rest = word.trimStart();
    while (cellsIn(rest) > room) {
      const part = fit(rest, room).text.slice(0, -1);
      lines.push(part);
      rest = rest.slice(part.length);
    }
    lines.push(rest);
  }
  return lines.map(function (line) { return line.trimEnd(); }).filter(Boolean);
}
