// Drawing: what is visible, from the columns: a path for each colour class in each band of rows, and labels
// that are used again. Browsers paint by tiles, and look at a whole path for each tile it reaches: filled
// rectangles in bands are painted several times faster than the one stroke a class of the document.
const BAND = 8;
const SVG = "http://www.w3.org/2000/svg", XHTML = "http://www.w3.org/1999/xhtml";

function make(parent, space, tag, attributes) {
  const element = document.createElementNS(space, tag);
  for (const name in attributes) element.setAttribute(name, attributes[name]);
  parent.appendChild(element);
  return element;
}
function lineOf(view, depth) {
  return view.up ? view.frames.rows.length - 2 - depth : depth;
}
function classOf(view, frame) {
  if (view.hit && view.hit[view.frames.name[frame]]) return "m";
  if (view.frames.depth[frame] < view.frames.depth[view.zoom]) return view.dim;
  return view.kind ? view.kind[frame] : view.kinds[view.frames.name[frame]];
}
// The place of a frame in pixels, cut at what is shown; null where nothing of it is.
function placeOf(view, frame) {
  const scale = view.room / (view.high - view.low);
  const start = view.shape.start[frame], end = start + view.shape.total[frame];
  const left = (Math.max(start, view.low) - view.low) * scale, right = (Math.min(end, view.high) - view.low) * scale;
  return right > left ? { x: left, width: right - left, y: lineOf(view, view.frames.depth[frame]) * ROW } : null;
}
function paint(view) {
  const frames = view.frames, shape = view.shape;
  const scale = view.room / (view.high - view.low);
  const shapes = new Map(), labels = [];
  for (let depth = 0; depth < frames.rows.length - 1; depth += 1) {
    const line = lineOf(view, depth), end = frames.rows[depth + 1];
    let last = -1;
    for (let i = firstBeyond(frames, shape, depth, view.low); i < end && shape.start[i] < view.high; i += 1) {
      const x = (Math.max(shape.start[i], view.low) - view.low) * scale;
      const till = (Math.min(shape.start[i] + shape.total[i], view.high) - view.low) * scale;
      const left = Math.round(10 * x), right = Math.round(10 * till);
      if (!(till > x) || (right === left && left === last)) continue;
      last = right;
      const kind = classOf(view, i);
      const across = right - left >= 10 * GAPPED ? right - left - 6 : right - left || 1;
      const key = kind + "/" + Math.floor(line / BAND);
      shapes.set(key, (shapes.get(key) || "") + "M" + left + " " + line + "h" + across + "v.9375h-" + across + "z");
      if (till - x >= LEAST_LABEL) labels.push([i, x, till - x, line, kind]);
    }
  }
  paintShapes(view, shapes);
  paintLabels(view, labels);
}
function paintShapes(view, shapes) {
  if (!view.paths) {
    view.paths = new Map();
    view.area.replaceChildren();
    view.area.setAttribute("transform", "scale(.1,16)");
    view.area.setAttribute("stroke-width", 0);
  }
  for (const [key, path] of view.paths) if (!shapes.has(key)) path.removeAttribute("d");
  for (const [key, shape] of shapes) {
    if (!view.paths.has(key)) view.paths.set(key, makePath(view, key.split("/")[0]));
    view.paths.get(key).setAttribute("d", shape);
  }
}
function makePath(view, kind) {
  const path = make(view.area, SVG, "path", { class: kind === "m" ? "m" : "k" + kind });
  if (view.svg.querySelector("#fg-h" + kind)) path.setAttribute("fill", "url(#fg-h" + kind + ")");
  return path;
}
function paintLabels(view, labels) {
  while (view.labels.childElementCount > labels.length) view.labels.lastElementChild.remove();
  let text = view.labels.firstElementChild;
  for (const [frame, x, width, line, kind] of labels) {
    if (!text) text = make(view.labels, SVG, "text", {});
    const name = view.mark(frame) + nameOf(view.frames, frame);
    const shown = fit(name, (width - 2 * LABEL_PAD) / CELL);
    if (text.textContent !== shown.text) text.textContent = shown.text;
    text.setAttribute("x", (x + LABEL_PAD).toFixed(1));
    text.setAttribute("y", line * ROW + 11);
    text.setAttribute("class", kind === "m" ? "m" : "");
    if (shown.cells) {
      text.setAttribute("textLength", (shown.cells * CELL).toFixed(1));
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    } else if (text.hasAttribute("textLength")) {
      text.removeAttribute("textLength");
    }
    text = text.nextElementSibling;
  }
}
function ringAt(view, ring, frame) {
  const place = frame < 0 ? null : placeOf(view, frame);
  ring.classList.toggle("off", !place);
  if (!place) return;
  ring.setAttribute("x", place.x.toFixed(1));
  ring.setAttribute("y", place.y);
  ring.setAttribute("width", Math.max(place.width - 0.6, 1).toFixed(1));
}
