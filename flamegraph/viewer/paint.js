// Drawing: what is visible, from the columns: a path for each colour class in each band of rows, and labels
// that are used again. Browsers paint by tiles, and look at a whole path for each tile it reaches: filled
// rectangles in bands are painted several times faster than the one stroke a class of the document.
const LEAST_BAND = 8, MOST_BANDS = 64;
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
function isMatch(view, frame) {
  return Boolean(view.hit) && view.hit[view.frames.name[frame]] === 1;
}
function bandOf(view, line) {
  return Math.floor(line / Math.max(LEAST_BAND, Math.ceil(view.frames.rows.length / MOST_BANDS)));
}
function classOf(view, frame) {
  if (view.frames.depth[frame] < view.frames.depth[view.zoom]) return view.dim;
  return view.kind ? view.kind[frame] : view.kinds[view.frames.name[frame]];
}
function put(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}
// The place of a frame in pixels, cut at what is shown; null where nothing of it is.
function placeOf(view, frame) {
  const scale = view.room / (view.high - view.low);
  const start = view.shape.start[frame], end = start + view.shape.total[frame];
  const left = (Math.max(start, view.low) - view.low) * scale, right = (Math.min(end, view.high) - view.low) * scale;
  return right > left ? { x: left, width: right - left, y: lineOf(view, view.frames.depth[frame]) * ROW } : null;
}
// Matches lie over the frames, which need no new painting for a search.
function paint(view) {
  const place = [view.low, view.high, view.zoom, view.room, view.shape.of].join();
  if (place !== view.painted) paintFrames(view);
  view.painted = place;
  paintMatches(view);
}
function paintFrames(view) {
  const frames = view.frames, shape = view.shape;
  const scale = view.room / (view.high - view.low);
  const shapes = new Map();
  view.labelled = [];
  for (let depth = 0; depth < frames.rows.length - 1; depth += 1) {
    const line = lineOf(view, depth), band = "/" + bandOf(view, line), end = frames.rows[depth + 1];
    let last = -1;
    for (let i = firstBeyond(frames, shape, depth, view.low); i < end && shape.start[i] < view.high; i += 1) {
      const x = (Math.max(shape.start[i], view.low) - view.low) * scale;
      const till = (Math.min(shape.start[i] + shape.total[i], view.high) - view.low) * scale;
      const left = Math.round(10 * x), right = Math.round(10 * till);
      if (!(till > x) || (right === left && left === last)) continue;
      last = right;
      add(shapes, classOf(view, i) + band, left, right, line);
      if (till - x >= LEAST_LABEL) view.labelled.push([i, x, till - x, line]);
    }
  }
  paintShapes(view, view.area, view.paths, shapes);
  paintLabels(view);
}
function paintMatches(view) {
  const shapes = new Map();
  let lastLine = -1, lastRight = -1;
  for (const frame of view.found) {
    const place = placeOf(view, frame);
    if (!place) continue;
    const left = Math.round(10 * place.x), right = Math.round(10 * (place.x + place.width)), line = place.y / ROW;
    if (right === left && left === lastRight && line === lastLine) continue;
    lastLine = line;
    lastRight = right;
    add(shapes, "m/" + bandOf(view, line), left, right, line);
  }
  paintShapes(view, view.over, view.overPaths, shapes);
  let text = view.labels.firstElementChild;
  for (const label of view.labelled) {
    put(text, "class", isMatch(view, label[0]) ? "m" : "");
    text = text.nextElementSibling;
  }
}
function add(shapes, key, left, right, line) {
  const across = right - left >= 10 * GAPPED ? right - left - 6 : right - left || 1;
  shapes.set(key, (shapes.get(key) || "") + "M" + left + " " + line + "h" + across + "v.9375h-" + across + "z");
}
function paintShapes(view, parent, paths, shapes) {
  for (const [key, path] of paths) if (!shapes.has(key)) path.removeAttribute("d");
  for (const [key, shape] of shapes) {
    if (!paths.has(key)) paths.set(key, makePath(view, parent, key.split("/")[0]));
    put(paths.get(key), "d", shape);
  }
}
function makePath(view, parent, kind) {
  const path = make(parent, SVG, "path", { class: kind === "m" ? "m" : "k" + kind });
  if (view.svg.querySelector("#fg-h" + kind)) path.setAttribute("fill", "url(#fg-h" + kind + ")");
  return path;
}
// The document's strokes give way to groups for the frames and for the matches over them.
function takeOver(view) {
  const frames = view.svg.querySelector(".frames");
  frames.replaceChildren();
  frames.setAttribute("transform", "scale(.1,16)");
  frames.setAttribute("stroke-width", 0);
  view.area = make(frames, SVG, "g", {});
  view.over = make(frames, SVG, "g", {});
  view.paths = new Map();
  view.overPaths = new Map();
}
function paintLabels(view) {
  while (view.labels.childElementCount > view.labelled.length) view.labels.lastElementChild.remove();
  let text = view.labels.firstElementChild;
  for (const [frame, x, width, line] of view.labelled) {
    if (!text) text = make(view.labels, SVG, "text", {});
    const shown = fit(view.mark(frame) + nameOf(view.frames, frame), (width - 2 * LABEL_PAD) / CELL);
    if (text.textContent !== shown.text) text.textContent = shown.text;
    put(text, "x", (x + LABEL_PAD).toFixed(1));
    put(text, "y", line * ROW + 11);
    if (shown.cells) {
      put(text, "textLength", (shown.cells * CELL).toFixed(1));
      put(text, "lengthAdjust", "spacingAndGlyphs");
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
