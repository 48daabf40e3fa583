// Controls: the only parts that exist because the script runs.
const LESS = { "new": "Show vanished", base: "Show new", delta: "Show unchanged" };

function addTools(view) {
  const svg = view.svg, graph = view.graph, shapes = view.frames.shapes;
  view.ground = make(graph, SVG, "rect", { fill: "transparent", height: ROW * (view.frames.rows.length - 1) });
  graph.insertBefore(view.ground, graph.firstChild);
  view.hover = make(graph, SVG, "rect", { class: "ring hover off", height: 15 });
  view.ring = make(graph, SVG, "rect", { class: "ring off", height: 15 });
  view.host = make(svg, SVG, "foreignObject", { height: 32 });
  svg.insertBefore(view.host, graph);
  view.tools = make(view.host, XHTML, "div", { class: "tools" });
  view.box = make(view.tools, XHTML, "input", {
    type: "search", placeholder: "Search (regexp)  /", "aria-label": "Search frames by regular expression",
  });
  view.other = shapes.length > 1 ? make(view.tools, XHTML, "button", { type: "button", "aria-pressed": "false" }) : null;
  if (view.other) view.other.textContent = LESS[shapes[0].of] || "Show all";
  view.reset = make(view.tools, XHTML, "button", { type: "button" });
  view.reset.textContent = "Reset";
  view.reset.setAttribute("title", "Show everything (Escape)");
  view.tip = make(graph, SVG, "g", { class: "tip off", "aria-hidden": "true", "font-family": view.labels.getAttribute("font-family"), "font-size": 11 });
  nameParts(view);
}
// What a screen reader calls the parts; frames are read from the status line.
function nameParts(view) {
  const svg = view.svg;
  for (const part of [svg.querySelector(".frames"), view.labels]) part.setAttribute("aria-hidden", "true");
  svg.classList.add("live");
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", svg.querySelector("title").textContent);
  for (const [name, value] of [
    ["tabindex", "0"], ["role", "application"], ["aria-roledescription", "flame graph"],
    ["aria-label", "Frames. Arrow keys move, Enter zooms, Escape resets, slash searches, n goes to the next match."],
  ]) view.graph.setAttribute(name, value);
}
