(function () {
  "use strict";
  const table = document.querySelector("table.hottest");
  const svg = document.querySelector("svg.flamegraph");
  if (!table) return;

  // Headings become buttons that sort: numbers largest first, names from a to z.
  const heads = Array.from(table.tHead.rows[0].cells);
  function valueOf(row, column) {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  }
  function sort(column) {
    const descending = heads[column].getAttribute("aria-sort")
      ? heads[column].getAttribute("aria-sort") !== "descending"
      : column > 0;
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort(function (one, other) {
      const a = valueOf(one, column), b = valueOf(other, column);
      const order = typeof a === "number" ? a - b : a.localeCompare(b);
      return descending ? -order : order;
    });
    table.tBodies[0].append.apply(table.tBodies[0], rows);
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  }
  heads.forEach(function (head, column) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", function () { sort(column); });
    head.replaceChildren(button);
  });

  // A name searches for itself in the picture.
  if (!svg || !svg.classList.contains("live")) return;
  for (const row of table.tBodies[0].rows) {
    const cell = row.cells[0];
    const name = cell.textContent;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.title = "Find in the picture";
    button.addEventListener("click", function () {
      const pattern = "^" + name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&") + "$";
      svg.dispatchEvent(new CustomEvent("flamegraph-search", { detail: pattern }));
      svg.scrollIntoView({ block: "nearest" });
    });
    cell.replaceChildren(button);
  }
})();
