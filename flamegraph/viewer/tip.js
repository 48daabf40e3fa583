// What a frame is: one line for the status, a few for the box beside it.
function describe(view, frame) {
  return nameOf(view.frames, frame) + " (" + facts(view, frame).join(", ") + ")";
}
function facts(view, frame) {
  const total = view.shape.total[frame], whole = view.shape.whole;
  if (!view.now) return [weight(total, view.unit), share(total, whole)];
  const now = view.now[frame] / (view.whole || 1), before = view.before[frame] / (view.whole || 1);
  if (!before) return [share(now, 1), "new"];
  if (!now) return ["vanished", "was " + share(before, 1)];
  const moved = 100 * (now - before);
  const told = [share(now, 1), "was " + share(before, 1)];
  told.push((moved < 0 ? "" : "+") + moved.toFixed(2) + " points", "x" + (now / before).toFixed(2));
  if (frame > 0 && !view.sure[frame]) told.push("within noise");
  return told;
}
function tipLines(view, frame, room) {
  const lines = wrap(nameOf(view.frames, frame), room).slice(0, 6);
  const own = view.shape.own[frame];
  const more = view.now
    ? facts(view, frame).concat(weight(view.now[frame], view.unit) + " now")
    : facts(view, frame).concat("self " + weight(own, view.unit), share(own, view.shape.whole));
  for (let at = 0; at < more.length; at += 2) lines.push(more.slice(at, at + 2).join(", "));
  return { lines: lines, names: lines.length - Math.ceil(more.length / 2) };
}
// Beside the place given, within the picture. It says nothing the status and the titles do not.
function showTip(view, frame, x, y) {
  view.tip.replaceChildren();
  view.tip.classList.toggle("off", frame < 0);
  if (frame < 0) return;
  const told = tipLines(view, frame, Math.min(64, Math.floor((view.room - 20) / CELL)));
  const width = 16 + CELL * Math.max.apply(null, told.lines.map(cellsIn)), height = 10 + LINE * told.lines.length;
  make(view.tip, SVG, "rect", { width: width, height: height, rx: 4 });
  told.lines.forEach(function (line, at) {
    const text = make(view.tip, SVG, "text", { x: 8, y: 16 + LINE * at, class: at < told.names ? "" : "muted" });
    text.textContent = line;
  });
  const below = y + ROW + 6;
  const top = below + height < view.height - view.top ? below : Math.max(y - height - 6, -view.top);
  view.tip.setAttribute("transform", "translate(" + Math.max(0, Math.min(x, view.room - width)) + "," + top + ")");
}
