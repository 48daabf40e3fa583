// Sizes. Alone in its window the picture takes the window's width, and in a page that of its holder.
const NARROW = 620, LEAST_ROOM = 200;

// Whether the width is another one than before.
function resize(view) {
  const svg = view.svg, before = view.width;
  const window_ = window.visualViewport ? window.visualViewport.width : window.innerWidth;
  if (view.alone) view.width = window_ || view.width;
  else if (svg.parentElement.classList.contains("fluid")) view.width = svg.parentElement.clientWidth;
  view.width = Math.max(LEAST_ROOM + 2 * PAD, Math.floor(view.width));
  view.room = view.width - 2 * PAD;
  svg.removeAttribute("viewBox");
  svg.setAttribute("width", view.width);
  fitTexts(view);
  return view.width !== before;
}
function fitTexts(view) {
  const narrow = view.width < NARROW;
  const title = view.svg.querySelector(".title"), subtitle = view.svg.querySelector(".subtitle");
  const bare = !title;
  const toolsAt = narrow && !bare ? (subtitle ? 52 : 34) : 5;
  view.top = (narrow && !bare ? 34 : 0) + (bare ? 36 : subtitle ? 58 : 42);
  if (title) title.textContent = fit(view.title, Math.max(3, (view.room - (narrow ? 0 : 300)) / TITLE_CELL)).text;
  if (subtitle) subtitle.textContent = fit(view.subtitle, view.room / LINE_CELL).text;
  const room = Math.min(narrow ? view.room : view.other ? 370 : 280, view.room);
  view.host.setAttribute("x", narrow ? PAD : view.width - PAD - room);
  view.host.setAttribute("y", toolsAt);
  view.host.setAttribute("width", room);
  view.ground.setAttribute("width", view.room);
  view.matched.setAttribute("x", view.room);
  fitNotes(view);
}
function fitNotes(view) {
  for (const note of view.svg.querySelectorAll(".note")) note.remove();
  let y = view.svg.querySelector(".legend") ? 17 + LINE : 17;
  for (const note of view.notes) {
    for (const line of wrap(note, Math.floor(view.room / CELL))) {
      y += LINE;
      make(view.foot, SVG, "text", { class: "note muted", y: y }).textContent = line;
    }
  }
  const bottom = view.top + ROW * Math.max(view.frames.rows.length - 1, 3);
  view.graph.setAttribute("transform", "translate(" + PAD + "," + view.top + ")");
  view.foot.setAttribute("transform", "translate(" + PAD + "," + bottom + ")");
  view.height = bottom + y + 11;
  view.svg.setAttribute("height", view.height);
}
