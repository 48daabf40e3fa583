// The viewer: one object of state a picture, and what its reader does to it with a pointer.
function start(svg) {
  const block = svg.querySelector("script[type='application/json']");
  if (!block || svg.classList.contains("live")) return;
  const view = viewOf(svg, JSON.parse(block.textContent));
  addTools(view);
  listenToKeys(view);
  listenToPointer(view);
  // A page around the picture may ask for a search.
  svg.addEventListener("flamegraph-search", function (event) {
    view.box.value = String(event.detail);
    search(view, view.box.value);
  });
  window.addEventListener("resize", function () { if (resize(view)) show(view); });
  window.addEventListener("popstate", function () { restore(view); show(view); });
  takeOver(view);
  resize(view);
  restore(view);
  show(view);
}
function viewOf(svg, data) {
  const find = function (name) { return svg.querySelector(name); };
  const frames = decode(data), alone = document.documentElement === svg;
  return Object.assign(data, {
    svg: svg, graph: find(".graph"), foot: find(".foot"), status: find(".status"), matched: find(".matched"),
    labels: find(".labels"), labelled: [], idle: find(".status").textContent,
    alone: alone, addressed: alone || document.querySelector("svg.flamegraph") === svg,
    frames: frames, shape: frames.shapes[0], zoom: 0, low: 0, high: frames.shapes[0].whole,
    hit: null, found: [], focused: -1, pattern: "",
    width: svg.width.baseVal.value, room: svg.width.baseVal.value - 2 * PAD,
    height: svg.height.baseVal.value, top: 0,
    mark: function (frame) { return data.now && frame > 0 && !data.before[frame] ? "+ " : ""; },
  });
}
function under(view, event) {
  const matrix = view.graph.getScreenCTM();
  const x = (event.clientX - matrix.e) / matrix.a, line = Math.floor((event.clientY - matrix.f) / matrix.d / ROW);
  const at = view.low + x / view.room * (view.high - view.low);
  const frame = x >= 0 && x < view.room ? frameAt(view.frames, view.shape, lineOf(view, line), at) : -1;
  return { frame: frame, x: x, y: line * ROW };
}
function listenToPointer(view) {
  view.reset.addEventListener("click", function () { resetAll(view); });
  if (view.other) view.other.addEventListener("click", function () { changeShape(view); });
  view.graph.addEventListener("click", function (event) {
    const frame = under(view, event).frame;
    if (frame < 0) return;
    view.focused = -1;
    zoomTo(view, frame);
  });
  view.graph.addEventListener("pointermove", function (event) {
    const at = under(view, event);
    ringAt(view, view.hover, at.frame);
    showTip(view, at.frame, at.x + 12, at.y);
  });
  view.graph.addEventListener("pointerleave", function () {
    ringAt(view, view.hover, -1);
    showTip(view, -1);
  });
}

const script = document.currentScript;
const around = script && script.closest("svg.flamegraph");
if (around) start(around); else document.querySelectorAll("svg.flamegraph").forEach(start);
