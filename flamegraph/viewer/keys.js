// Keyboard: one focus ring, moved among the frames that are shown.
function focusOn(view, frame) {
  const place = frame < 0 || frame === undefined ? null : placeOf(view, frame);
  if (!place) return;
  view.focused = frame;
  ringAt(view, view.ring, frame);
  view.ring.scrollIntoView({ block: "nearest" });
  showTip(view, frame, place.x, place.y);
  say(view, describe(view, frame) + (view.now ? "" : ", self " + share(view.shape.own[frame], view.shape.whole)));
}
function widestChild(view, frame) {
  const frames = view.frames;
  let best = -1;
  for (let kid = frames.first[frame]; kid < frames.first[frame] + frames.kids[frame]; kid += 1) {
    if (placeOf(view, kid) && (best < 0 || view.shape.total[kid] > view.shape.total[best])) best = kid;
  }
  return best;
}
function sibling(view, frame, step) {
  const rows = view.frames.rows, depth = view.frames.depth[frame];
  let at = frame + step;
  while (at >= rows[depth] && at < rows[depth + 1] && !placeOf(view, at)) at += step;
  return at >= rows[depth] && at < rows[depth + 1] ? at : -1;
}
function nextMatch(view, step) {
  const order = view.found.filter(function (frame) { return placeOf(view, frame); });
  if (!order.length) return;
  const at = order.indexOf(view.focused);
  focusOn(view, order[(at + step + order.length + (at < 0 && step < 0 ? 1 : 0)) % order.length]);
}
// What each key does, from the frame it is pressed on.
function keysOf(view) {
  const inwards = function (frame) { focusOn(view, widestChild(view, frame)); };
  const outwards = function (frame) { focusOn(view, view.frames.parent[frame]); };
  return {
    ArrowUp: view.up ? inwards : outwards,
    ArrowDown: view.up ? outwards : inwards,
    ArrowLeft: function (frame) { focusOn(view, sibling(view, frame, -1)); },
    ArrowRight: function (frame) { focusOn(view, sibling(view, frame, 1)); },
    Home: function () { focusOn(view, view.zoom); },
    Enter: function (frame) { zoomTo(view, frame); focusOn(view, frame); },
    Escape: function () { resetAll(view); },
    "/": function () { view.box.focus(); view.box.select(); },
    n: function () { nextMatch(view, 1); },
    N: function () { nextMatch(view, -1); },
  };
}
function listenToKeys(view) {
  const graph = view.graph, box = view.box, keys = keysOf(view);
  // The keyboard comes to the frames; a key then says itself where to.
  let held = false;
  function hold() {
    held = true;
    graph.focus({ preventScroll: true });
    held = false;
  }
  view.svg.addEventListener("keydown", function (event) {
    const inTools = view.tools.contains(event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    if (inTools && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key !== "/") hold();
    keys[event.key](view.focused < 0 ? view.zoom : view.focused);
  });
  graph.addEventListener("focus", function () {
    if (!held && view.focused < 0 && graph.matches(":focus-visible")) focusOn(view, view.zoom);
  });
  graph.addEventListener("blur", function () { showTip(view, -1); });
  box.addEventListener("input", function () { search(view, box.value); });
  box.addEventListener("keydown", function (event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    hold();
    nextMatch(view, 1);
  });
}
