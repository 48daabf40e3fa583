// State in the address: `#z=main;run&s=pattern`, by the names on the way to a frame and not by places, so that
// it holds for another profile too. Among frames of one name below one caller, `$2` is the second.
const LONGEST_ADDRESS = 8000;

function pathOf(frames, frame) {
  const parts = [];
  for (; frame > 0; frame = frames.parent[frame]) {
    const parent = frames.parent[frame];
    let same = 1;
    for (let kid = frames.first[parent]; kid < frame; kid += 1) {
      if (nameOf(frames, kid) === nameOf(frames, frame)) same += 1;
    }
    parts.push(encodeURIComponent(nameOf(frames, frame)) + (same > 1 ? "$" + same : ""));
  }
  return parts.reverse().join(";");
}
// The frame at the end of a path, or as far along it as there are frames.
function frameOfPath(frames, path) {
  let frame = 0;
  for (const part of path ? path.split(";") : []) {
    const [name, same] = part.split("$");
    const wanted = decoded(name);
    let left = Number(same) || 1, next = -1;
    for (let kid = frames.first[frame]; kid < frames.first[frame] + frames.kids[frame] && next < 0; kid += 1) {
      if (nameOf(frames, kid) === wanted && (left -= 1) === 0) next = kid;
    }
    if (next < 0) break;
    frame = next;
  }
  return frame;
}
function nameOf(frames, frame) {
  return frames.names[frames.name[frame]];
}
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    return text;
  }
}
function readAddress() {
  const state = { z: "", s: "", w: "" };
  for (const part of location.hash.slice(1).split("&")) {
    const cut = part.indexOf("=");
    const key = part.slice(0, cut);
    if (cut > 0 && key in state) state[key] = key === "z" ? part.slice(cut + 1) : decoded(part.slice(cut + 1));
  }
  return state;
}
// `step` makes an entry of the history, so that Back zooms out again.
function writeAddress(state, step) {
  const parts = [];
  if (state.z) parts.push("z=" + state.z);
  if (state.s) parts.push("s=" + encodeURIComponent(state.s));
  if (state.w) parts.push("w=" + encodeURIComponent(state.w));
  const hash = "#" + parts.join("&");
  if (hash === (location.hash || "#") || hash.length > LONGEST_ADDRESS) return;
  const address = location.pathname + location.search + (parts.length ? hash : "");
  try {
    if (step) history.pushState(null, "", address); else history.replaceState(null, "", address);
  } catch (error) {
    // Where a document has no address of its own, in a sandbox, there is nothing to keep.
  }
}
