(function () {
  "use strict";
  const script = document.currentScript;
  const svg = script && script.closest("svg.flamegraph");
  const block = svg && svg.querySelector("script[type='application/json']");
  if (!block) return;

  const SVG = "http://www.w3.org/2000/svg";
  const XHTML = "http://www.w3.org/1999/xhtml";
  const PAD = 10, CELL = 6.65, LABEL_PAD = 3, LEAST = 0.1, STROKED = 3;

  const data = JSON.parse(block.textContent);
  const frames = [];
  const rows = Array.from(svg.querySelectorAll("g.row"));
  const byElement = new Map();
  const state = { low: 0, high: data.total, zoom: 0, focus: -1, matches: [], pattern: null };
  let width = svg.width.baseVal.value;

  function make(parent, space, tag, attributes) {
    const element = document.createElementNS(space, tag);
    for (const name in attributes) element.setAttribute(name, attributes[name]);
    if (parent) parent.appendChild(element);
    return element;
  }

  // Frames, with each one's caller: the frame of the row below that covers it.
  rows.forEach(function (group, depth) {
    const columns = data.rows[depth];
    const below = depth ? frames.filter(function (frame) { return frame.depth === depth - 1; }) : [];
    let at = 0;
    for (const label of Array.from(group.querySelectorAll("text"))) label.remove();
    Array.from(group.querySelectorAll("rect")).forEach(function (rect, i) {
      const start = columns.start[i], end = start + columns.total[i];
      while (at + 1 < below.length && below[at + 1].start <= start) at += 1;
      const frame = {
        index: frames.length, depth: depth, start: start, end: end, total: columns.total[i], own: columns.own[i],
        name: data.names[columns.name[i]], nameId: columns.name[i], rect: rect, group: group, label: null,
        parent: depth ? below[at].index : -1, match: false,
      };
      byElement.set(rect, frame);
      frames.push(frame);
    });
  });

  // Text: the same rules as units.py and text.py.
  function number(value) {
    const digits = Number.isInteger(value) ? 0 : 2;
    return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }
  function scaled(value, steps, singular, plural) {
    for (const step of steps) {
      if (value >= step[0]) {
        const short = value / step[0];
        const digits = short < 10 ? 2 : short < 100 ? 1 : 0;
        const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
        return short.toLocaleString("en-US", format) + " " + step[1];
      }
    }
    return number(value) + " " + (value === 1 ? singular : plural);
  }
  const KIB = 1024;
  const BYTES = [[KIB ** 5, "PiB"], [KIB ** 4, "TiB"], [KIB ** 3, "GiB"], [KIB ** 2, "MiB"], [KIB, "KiB"]];
  const TIMES = [[1000000, "s"], [1000, "ms"]];
  function weight(value) {
    if (data.unit === "bytes") return scaled(value, BYTES, "byte", "bytes");
    if (data.unit === "microseconds") return scaled(value, TIMES, "µs", "µs");
    return scaled(value, [], "sample", "samples");
  }
  function share(value) {
    return (100 * value / data.total).toFixed(2) + "%";
  }
  function describe(frame) {
    return frame.name + " (" + weight(frame.total) + ", " + share(frame.total) + ")";
  }
  const NONE = /[\p{Mn}\p{Me}\p{Cf}]/u;
  const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
  const ASCII = /^[\x00-\x7f]*$/;
  function cellsOf(character) {
    return NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  }
  function fit(text, room) {
    if (ASCII.test(text)) {
      if (text.length <= room) return { text: text, cells: 0 };
      return { text: room < 3 ? "" : text.slice(0, Math.floor(room) - 1) + "…", cells: 0 };
    }
    let used = 0, kept = "", keptCells = 0;
    for (const character of text) {
      used += cellsOf(character);
      if (used <= room - 1) { kept += character; keptCells = used; }
    }
    if (used <= room) return { text: text, cells: used };
    return { text: room < 3 ? "" : kept + "…", cells: keptCells + 1 };
  }

  // Tools: the only parts that exist because the script runs.
  const status = svg.querySelector(".status");
  const idle = status.textContent;
  const found = svg.querySelector(".matched");
  const background = svg.querySelector(".bg");
  const host = make(svg, SVG, "foreignObject", { y: 5, height: 32 });
  const tools = make(host, XHTML, "div", { class: "tools" });
  const box = make(tools, XHTML, "input", {
    type: "search", placeholder: "Search (regexp)  /", "aria-label": "Search frames by regular expression",
  });
  const reset = make(tools, XHTML, "button", { type: "button" });
  reset.textContent = "Reset";
  reset.title = "Show everything (Escape)";
  const ring = make(svg, SVG, "rect", { class: "ring off", height: 15 });
  svg.classList.add("live");
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("role", "application");
  svg.setAttribute("aria-roledescription", "flame graph");

  function say(text) {
    const room = Math.floor((width - 2 * PAD - 130) / 7.3);
    status.textContent = fit(text, Math.max(room, 3)).text;
  }

  // Drawing: everything from state, so that zoom, search and resize cannot disagree.
  function place(frame, scale, room) {
    const left = Math.max(frame.start, state.low), right = Math.min(frame.end, state.high);
    const x = (left - state.low) * scale, w = (right - left) * scale;
    const hidden = !(right > left) || w < Math.min(LEAST, frame.total * room / data.total);
    frame.rect.classList.toggle("off", hidden);
    if (frame.label) frame.label.classList.add("off");
    if (hidden) return;
    frame.rect.setAttribute("x", (PAD + x).toFixed(2));
    frame.rect.setAttribute("width", w.toFixed(2));
    frame.rect.classList.toggle("w", w >= STROKED);
    frame.rect.classList.toggle("m", frame.match);
    frame.rect.classList.toggle("a", frame.depth < frames[state.zoom].depth);
    const cells = (w - 2 * LABEL_PAD) / CELL;
    if (cells >= 3) place_label(frame, x, cells);
  }
  function place_label(frame, x, cells) {
    const shown = fit(frame.name, cells);
    if (!frame.label) frame.label = make(frame.group, SVG, "text", { y: 11 });
    const label = frame.label;
    label.textContent = shown.text;
    label.setAttribute("x", (PAD + x + LABEL_PAD).toFixed(2));
    label.setAttribute("class", frame.match ? "m" : "");
    if (shown.cells) {
      label.setAttribute("textLength", (shown.cells * CELL).toFixed(2));
      label.setAttribute("lengthAdjust", "spacingAndGlyphs");
    } else {
      label.removeAttribute("textLength");
    }
  }
  function draw() {
    const room = width - 2 * PAD;
    const scale = room / (state.high - state.low);
    for (const frame of frames) place(frame, scale, room);
    reset.disabled = state.zoom === 0 && !state.pattern;
    drawRing();
  }
  function drawRing() {
    const frame = frames[state.focus];
    const shown = Boolean(frame) && !frame.rect.classList.contains("off");
    ring.classList.toggle("off", !shown);
    if (!shown) return;
    ring.setAttribute("x", frame.rect.getAttribute("x"));
    ring.setAttribute("width", frame.rect.getAttribute("width"));
    ring.setAttribute("transform", frame.group.getAttribute("transform"));
  }
  function resize() {
    if (document.documentElement === svg) {
      width = Math.max(360, window.innerWidth || width);
      svg.removeAttribute("viewBox");
      svg.setAttribute("width", width);
      background.setAttribute("width", width);
    }
    const room = Math.min(280, width - 2 * PAD);
    host.setAttribute("x", width - PAD - room);
    host.setAttribute("width", room);
    found.setAttribute("x", width - PAD);
    draw();
  }

  // Zoom.
  function zoom(frame) {
    state.zoom = frame.index;
    state.low = frame.start;
    state.high = frame.end;
    draw();
    say(describe(frame));
  }
  function visible(frame) {
    return Boolean(frame) && !frame.rect.classList.contains("off");
  }

  // Search: one test a distinct name; weight counted once where matches contain each other.
  function search(text) {
    let pattern = null;
    try {
      pattern = text ? new RegExp(text, /[A-Z]/.test(text) ? "u" : "iu") : null;
    } catch (error) {
      box.setAttribute("aria-invalid", "true");
      say("Not a regular expression: " + text);
      return;
    }
    box.removeAttribute("aria-invalid");
    state.pattern = pattern;
    const hit = data.names.map(function (name) { return Boolean(pattern) && pattern.test(name); });
    const covered = [];
    let sum = 0;
    state.matches = [];
    for (const frame of frames) {
      frame.match = hit[frame.nameId];
      const above = frame.parent >= 0 && covered[frame.parent];
      covered.push(above || frame.match);
      if (frame.match) state.matches.push(frame.index);
      if (frame.match && !above) sum += frame.total;
    }
    found.textContent = pattern ? "Matched: " + share(sum) : "";
    draw();
    say(pattern ? state.matches.length + " frames match, " + share(sum) + " of all" : idle);
  }
  function nextMatch(step) {
    const order = state.matches.filter(function (index) { return visible(frames[index]); });
    if (!order.length) return;
    const at = order.indexOf(state.focus);
    focus(frames[order[(at + step + order.length + (at < 0 && step < 0 ? 1 : 0)) % order.length]]);
  }
  function resetAll() {
    box.value = "";
    search("");
    zoom(frames[0]);
    say(idle);
  }

  // Keyboard: one focus ring, moved among the frames that are shown.
  function focus(frame) {
    if (!visible(frame)) return;
    state.focus = frame.index;
    drawRing();
    ring.scrollIntoView({ block: "nearest" });
    say(describe(frame) + ", self " + share(frame.own));
  }
  function child(frame) {
    let best = null;
    for (const other of frames) {
      if (other.parent === frame.index && visible(other) && (!best || other.total > best.total)) best = other;
    }
    return best;
  }
  function sibling(frame, step) {
    let at = frame.index + step;
    while (frames[at] && frames[at].depth === frame.depth && !visible(frames[at])) at += step;
    return frames[at] && frames[at].depth === frame.depth ? frames[at] : null;
  }
  const keys = {
    ArrowUp: function (frame) { focus(child(frame)); },
    ArrowDown: function (frame) { focus(frames[frame.parent]); },
    ArrowLeft: function (frame) { focus(sibling(frame, -1)); },
    ArrowRight: function (frame) { focus(sibling(frame, 1)); },
    Enter: function (frame) { zoom(frame); focus(frame); },
    Escape: resetAll,
    "/": function () { box.focus(); },
    n: function () { nextMatch(1); },
    N: function () { nextMatch(-1); },
  };
  svg.addEventListener("keydown", function (event) {
    const inTools = tools.contains(event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (inTools && event.key !== "Escape") return;
    event.preventDefault();
    if (inTools) svg.focus();
    keys[event.key](frames[state.focus] || frames[state.zoom]);
  });
  box.addEventListener("input", function () { search(box.value); });
  box.addEventListener("keydown", function (event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    svg.focus();
    nextMatch(1);
  });
  reset.addEventListener("click", resetAll);

  svg.addEventListener("click", function (event) {
    const frame = byElement.get(event.target);
    if (!frame) return;
    state.focus = -1;
    zoom(frame);
  });
  svg.addEventListener("pointerover", function (event) {
    const frame = byElement.get(event.target);
    if (!frame) return;
    if (!frame.rect.firstElementChild) make(frame.rect, SVG, "title", {}).textContent = describe(frame);
    say(describe(frame) + ", self " + share(frame.own));
  });
  svg.addEventListener("pointerout", function (event) {
    if (byElement.has(event.target)) say(state.zoom ? describe(frames[state.zoom]) : idle);
  });
  window.addEventListener("resize", resize);
  resize();
})();
