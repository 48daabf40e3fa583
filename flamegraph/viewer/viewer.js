// The viewer: one object of state a picture; every change goes through `show`, which paints from state alone.
const NARROW = 620, LEAST_ROOM = 200, LESS = { "new": "Show vanished", base: "Show new", delta: "Show unchanged" };

function view(svg) {
  const block = svg.querySelector("script[type='application/json']");
  if (!block || svg.classList.contains("live")) return;
  const data = JSON.parse(block.textContent);
  const find = function (name) { return svg.querySelector(name); };
  const graph = find(".graph"), foot = find(".foot"), status = find(".status"), found = find(".matched");
  const idle = status.textContent;
  const frames = decode(data);
  const self = Object.assign(data, {
    svg: svg, frames: frames, shape: frames.shapes[0], zoom: 0, low: 0, high: frames.shapes[0].whole,
    labels: find(".labels"), labelled: [], hit: null, found: [], focused: -1, pattern: "",
    width: svg.width.baseVal.value, room: svg.width.baseVal.value - 2 * PAD,
    height: svg.height.baseVal.value, top: 0,
  });
  const alone = document.documentElement === svg;
  const addressed = alone || document.querySelector("svg.flamegraph") === svg;
  self.mark = function (frame) { return data.now && frame > 0 && !data.before[frame] ? "+ " : ""; };

  // Controls: the only parts that exist because the script runs.
  const ground = make(graph, SVG, "rect", { fill: "transparent", height: ROW * (frames.rows.length - 1) });
  graph.insertBefore(ground, graph.firstChild);
  const hover = make(graph, SVG, "rect", { class: "ring hover off", height: 15 });
  const ring = make(graph, SVG, "rect", { class: "ring off", height: 15 });
  const host = make(svg, SVG, "foreignObject", { height: 32 });
  svg.insertBefore(host, graph);
  const tools = make(host, XHTML, "div", { class: "tools" });
  const box = make(tools, XHTML, "input", {
    type: "search", placeholder: "Search (regexp)  /", "aria-label": "Search frames by regular expression",
  });
  const other = frames.shapes.length > 1 ? make(tools, XHTML, "button", { type: "button", "aria-pressed": "false" }) : null;
  if (other) other.textContent = LESS[frames.shapes[0].of] || "Show all";
  const reset = make(tools, XHTML, "button", { type: "button" });
  reset.textContent = "Reset";
  reset.setAttribute("title", "Show everything (Escape)");
  self.tip = make(graph, SVG, "g", { class: "tip off", "aria-hidden": "true", "font-family": self.labels.getAttribute("font-family"), "font-size": 11 });
  for (const part of [find(".frames"), self.labels]) part.setAttribute("aria-hidden", "true");
  svg.classList.add("live");
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", svg.querySelector("title").textContent);
  for (const [name, value] of [
    ["tabindex", "0"], ["role", "application"], ["aria-roledescription", "flame graph"],
    ["aria-label", "Frames. Arrow keys move, Enter zooms, Escape resets, slash searches, n goes to the next match."],
  ]) graph.setAttribute(name, value);

  function say(text) {
    const room = (self.room - 7 * found.textContent.length - 20) / LINE_CELL;
    status.textContent = fit(text, Math.max(room, 3)).text;
  }
  function show() {
    paint(self);
    reset.disabled = self.zoom === 0 && !self.pattern;
    ringAt(self, ring, self.focused);
    ringAt(self, hover, -1);
    showTip(self, -1);
  }
  function remember(step) {
    const shape = self.shape === frames.shapes[0] ? "" : self.shape.of;
    if (addressed) writeAddress({ z: pathOf(frames, self.zoom), s: self.pattern, w: shape }, step);
  }

  // Sizes. Alone in its window the picture takes the window's width, and in a page that of its holder.
  function fitTexts() {
    const narrow = self.width < NARROW, title = find(".title"), subtitle = find(".subtitle");
    const bare = !title;
    const toolsAt = narrow && !bare ? (subtitle ? 52 : 34) : 5;
    self.top = (narrow && !bare ? 34 : 0) + (bare ? 36 : subtitle ? 58 : 42);
    if (title) title.textContent = fit(data.title, Math.max(3, (self.room - (narrow ? 0 : 300)) / TITLE_CELL)).text;
    if (subtitle) subtitle.textContent = fit(data.subtitle, self.room / LINE_CELL).text;
    const room = Math.min(narrow ? self.room : other ? 370 : 280, self.room);
    host.setAttribute("x", narrow ? PAD : self.width - PAD - room);
    host.setAttribute("y", toolsAt);
    host.setAttribute("width", room);
    ground.setAttribute("width", self.room);
    found.setAttribute("x", self.room);
    fitNotes();
  }
  function fitNotes() {
    for (const note of svg.querySelectorAll(".note")) note.remove();
    let y = find(".legend") ? 17 + LINE : 17;
    for (const note of data.notes) {
      for (const line of wrap(note, Math.floor(self.room / CELL))) {
        y += LINE;
        make(foot, SVG, "text", { class: "note muted", y: y }).textContent = line;
      }
    }
    const bottom = self.top + ROW * Math.max(frames.rows.length - 1, 3);
    graph.setAttribute("transform", "translate(" + PAD + "," + self.top + ")");
    foot.setAttribute("transform", "translate(" + PAD + "," + bottom + ")");
    self.height = bottom + y + 11;
    svg.setAttribute("height", self.height);
  }
  function resize() {
    const before = self.width;
    const window_ = window.visualViewport ? window.visualViewport.width : window.innerWidth;
    if (alone) self.width = window_ || self.width;
    else if (svg.parentElement.classList.contains("fluid")) self.width = svg.parentElement.clientWidth;
    self.width = Math.max(LEAST_ROOM + 2 * PAD, Math.floor(self.width));
    self.room = self.width - 2 * PAD;
    svg.removeAttribute("viewBox");
    svg.setAttribute("width", self.width);
    fitTexts();
    return self.width !== before;
  }

  // Zoom.
  function lookAt(frame) {
    if (!self.shape.total[frame]) frame = 0;
    self.zoom = frame;
    self.low = self.shape.start[frame];
    self.high = self.low + self.shape.total[frame];
  }
  function zoom(frame) {
    lookAt(frame);
    show();
    say(frame ? describe(self, self.zoom) : idle);
    remember(true);
  }

  // Search.
  function match(text) {
    box.removeAttribute("aria-invalid");
    found.textContent = "";
    let told = idle, pattern = null, count = 0;
    try {
      pattern = text ? compile(text) : null;
      count = repeats(text);
    } catch (error) {
      told = "Not a regular expression: " + text;
    }
    if (pattern && count < 0) told = "Not tried, this pattern could take too long: " + text;
    if (told !== idle) box.setAttribute("aria-invalid", "true");
    if (text && (told !== idle || !pattern)) return told;
    self.pattern = text;
    self.hit = null;
    self.found = [];
    return pattern ? weigh(tryNames(frames.names, pattern, count)) : idle;
  }
  function weigh(result) {
    const matches = weighMatches(frames, self.shape, result.hit);
    const of = share(matches.sum, self.shape.whole);
    self.hit = result.hit;
    self.found = matches.found;
    found.textContent = "Matched: " + of;
    const all = result.tried === frames.names.length;
    return digits(matches.found.length, 0) + (matches.found.length === 1 ? " frame matches, " : " frames match, ")
      + (data.hidden || !all ? "at least " : "") + of + " of all"
      + (all ? "" : "; stopped after " + result.tried + " of " + frames.names.length + " names");
  }
  function search(text) {
    const told = match(text);
    show();
    say(told);
    remember(false);
  }
  function nextMatch(step) {
    const order = self.found.filter(function (frame) { return placeOf(self, frame); });
    if (!order.length) return;
    const at = order.indexOf(self.focused);
    focus(order[(at + step + order.length + (at < 0 && step < 0 ? 1 : 0)) % order.length]);
  }
  function resetAll() {
    box.value = "";
    match("");
    zoom(0);
    say(idle);
  }
  function change() {
    self.shape = frames.shapes[self.shape === frames.shapes[0] ? 1 : 0];
    other.setAttribute("aria-pressed", String(self.shape !== frames.shapes[0]));
    lookAt(self.zoom);
    search(self.pattern);
  }
  function restore() {
    if (!addressed) return;
    const state = readAddress();
    const shape = other && state.w === frames.shapes[1].of ? 1 : 0;
    self.shape = frames.shapes[shape];
    if (other) other.setAttribute("aria-pressed", String(shape === 1));
    box.value = state.s;
    const told = match(state.s);
    lookAt(frameOfPath(frames, state.z));
    say(self.zoom && !state.s ? describe(self, self.zoom) : told);
  }

  // Keyboard: one focus ring, moved among the frames that are shown.
  function focus(frame) {
    const place = frame < 0 || frame === undefined ? null : placeOf(self, frame);
    if (!place) return;
    self.focused = frame;
    ringAt(self, ring, frame);
    ring.scrollIntoView({ block: "nearest" });
    showTip(self, frame, place.x, place.y);
    say(describe(self, frame) + (data.now ? "" : ", self " + share(self.shape.own[frame], self.shape.whole)));
  }
  function child(frame) {
    let best = -1;
    for (let kid = frames.first[frame]; kid < frames.first[frame] + frames.kids[frame]; kid += 1) {
      if (placeOf(self, kid) && (best < 0 || self.shape.total[kid] > self.shape.total[best])) best = kid;
    }
    return best;
  }
  function sibling(frame, step) {
    const depth = frames.depth[frame];
    let at = frame + step;
    while (at >= frames.rows[depth] && at < frames.rows[depth + 1] && !placeOf(self, at)) at += step;
    return at >= frames.rows[depth] && at < frames.rows[depth + 1] ? at : -1;
  }
  const inwards = function (frame) { focus(child(frame)); };
  const outwards = function (frame) { focus(frames.parent[frame]); };
  const keys = {
    ArrowUp: data.up ? inwards : outwards,
    ArrowDown: data.up ? outwards : inwards,
    ArrowLeft: function (frame) { focus(sibling(frame, -1)); },
    ArrowRight: function (frame) { focus(sibling(frame, 1)); },
    Home: function () { focus(self.zoom); },
    Enter: function (frame) { zoom(frame); focus(frame); },
    Escape: resetAll,
    "/": function () { box.focus(); box.select(); },
    n: function () { nextMatch(1); },
    N: function () { nextMatch(-1); },
  };
  svg.addEventListener("keydown", function (event) {
    const inTools = tools.contains(event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
    if (inTools && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key !== "/") hold();
    keys[event.key](self.focused < 0 ? self.zoom : self.focused);
  });
  // The keyboard comes to the frames; a key then says itself where to.
  let held = false;
  function hold() {
    held = true;
    graph.focus({ preventScroll: true });
    held = false;
  }
  graph.addEventListener("focus", function () {
    if (!held && self.focused < 0 && graph.matches(":focus-visible")) focus(self.zoom);
  });
  graph.addEventListener("blur", function () { showTip(self, -1); });
  box.addEventListener("input", function () { search(box.value); });
  box.addEventListener("keydown", function (event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    hold();
    nextMatch(1);
  });
  reset.addEventListener("click", resetAll);
  if (other) other.addEventListener("click", change);

  // Pointer.
  function under(event) {
    const matrix = graph.getScreenCTM();
    const x = (event.clientX - matrix.e) / matrix.a, line = Math.floor((event.clientY - matrix.f) / matrix.d / ROW);
    const at = self.low + x / self.room * (self.high - self.low);
    const frame = x >= 0 && x < self.room ? frameAt(frames, self.shape, lineOf(self, line), at) : -1;
    return { frame: frame, x: x, y: line * ROW };
  }
  graph.addEventListener("click", function (event) {
    const frame = under(event).frame;
    if (frame < 0) return;
    self.focused = -1;
    zoom(frame);
  });
  graph.addEventListener("pointermove", function (event) {
    const at = under(event);
    ringAt(self, hover, at.frame);
    showTip(self, at.frame, at.x + 12, at.y);
  });
  graph.addEventListener("pointerleave", function () {
    ringAt(self, hover, -1);
    showTip(self, -1);
  });
  // A page around the picture may ask for a search.
  svg.addEventListener("flamegraph-search", function (event) {
    box.value = String(event.detail);
    search(box.value);
  });
  window.addEventListener("resize", function () { if (resize()) show(); });
  window.addEventListener("popstate", function () { restore(); show(); });

  takeOver(self);
  resize();
  restore();
  show();
}

const script = document.currentScript;
const around = script && script.closest("svg.flamegraph");
if (around) view(around); else document.querySelectorAll("svg.flamegraph").forEach(view);
