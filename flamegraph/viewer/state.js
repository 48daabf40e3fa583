// What is shown: the zoom, the search and the shape. Every change goes through `show`, which paints from state
// alone, and is told in the status line.
function say(view, text) {
  const room = (view.room - 7 * view.matched.textContent.length - 20) / LINE_CELL;
  view.status.textContent = fit(text, Math.max(room, 3)).text;
}
function show(view) {
  paint(view);
  view.reset.disabled = view.zoom === 0 && !view.pattern;
  ringAt(view, view.ring, view.focused);
  ringAt(view, view.hover, -1);
  showTip(view, -1);
}
function remember(view, step) {
  const shape = view.shape === view.frames.shapes[0] ? "" : view.shape.of;
  if (view.addressed) writeAddress({ z: pathOf(view.frames, view.zoom), s: view.pattern, w: shape }, step);
}
function lookAt(view, frame) {
  if (!view.shape.total[frame]) frame = 0;
  view.zoom = frame;
  view.low = view.shape.start[frame];
  view.high = view.low + view.shape.total[frame];
}
function zoomTo(view, frame) {
  lookAt(view, frame);
  show(view);
  say(view, frame ? describe(view, view.zoom) : view.idle);
  remember(view, true);
}
// What there is to say of a search; a pattern that is refused leaves the last one.
function match(view, text) {
  view.box.removeAttribute("aria-invalid");
  view.matched.textContent = "";
  let told = view.idle, pattern = null, count = 0;
  try {
    pattern = text ? compile(text) : null;
    count = repeats(text);
  } catch (error) {
    told = "Not a regular expression: " + text;
  }
  if (pattern && count < 0) told = "Not tried, this pattern could take too long: " + text;
  if (told !== view.idle) view.box.setAttribute("aria-invalid", "true");
  if (text && (told !== view.idle || !pattern)) return told;
  view.pattern = text;
  view.hit = null;
  view.found = [];
  return pattern ? weigh(view, tryNames(view.frames.names, pattern, count)) : view.idle;
}
function weigh(view, result) {
  const frames = view.frames;
  const matches = weighMatches(frames, view.shape, result.hit);
  const of = share(matches.sum, view.shape.whole);
  view.hit = result.hit;
  view.found = matches.found;
  view.matched.textContent = "Matched: " + of;
  const all = result.tried === frames.names.length;
  return digits(matches.found.length, 0) + (matches.found.length === 1 ? " frame matches, " : " frames match, ")
    + (view.hidden || !all ? "at least " : "") + of + " of all"
    + (all ? "" : "; stopped after " + result.tried + " of " + frames.names.length + " names");
}
function search(view, text) {
  const told = match(view, text);
  show(view);
  say(view, told);
  remember(view, false);
}
function resetAll(view) {
  view.box.value = "";
  match(view, "");
  zoomTo(view, 0);
  say(view, view.idle);
}
function showShape(view, index) {
  view.shape = view.frames.shapes[index];
  if (view.other) view.other.setAttribute("aria-pressed", String(index === 1));
}
function changeShape(view) {
  showShape(view, view.shape === view.frames.shapes[0] ? 1 : 0);
  lookAt(view, view.zoom);
  search(view, view.pattern);
}
// From the address, if it is this picture's.
function restore(view) {
  if (!view.addressed) return;
  const state = readAddress();
  showShape(view, view.other && state.w === view.frames.shapes[1].of ? 1 : 0);
  view.box.value = state.s;
  const told = match(view, state.s);
  lookAt(view, frameOfPath(view.frames, state.z));
  say(view, view.zoom && !state.s ? describe(view, view.zoom) : told);
}
