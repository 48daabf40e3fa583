// Search: each distinct name is tried once, and no pattern may hold the page up.
// The engine tries patterns by backtracking and cannot be stopped. What can take exponential time is refused:
// a repeated group that repeats or chooses within, references back, and many optional parts. What is left
// takes a power of the name's length, the more repeats the higher: then only the head of a name is tried.
const LONGEST_PATTERN = 1000, MOST_CHOICES = 10, BUDGET = 200;
const TRIED = [100000, 10000, 1000, 300, 90, 50];

// The number of unbounded repeats in a pattern, or -1 if it is refused.
function repeats(source) {
  const groups = [{ varies: false }];
  let last = false, count = 0, choices = 0;
  for (let at = 0; at < source.length; at += 1) {
    const top = groups[groups.length - 1];
    const character = source[at];
    if (character === "\\") {
      at += 1;
      if (/[1-9k]/.test(source[at] || "")) return -1;
      last = false;
    } else if (character === "[") {
      for (at += 1; at < source.length && source[at] !== "]"; at += 1) if (source[at] === "\\") at += 1;
      last = false;
    } else if (character === "(") {
      groups.push({ varies: false });
      if (source[at + 1] === "?") at += 1;
    } else if (character === ")" && groups.length > 1) {
      last = groups.pop().varies;
      groups[groups.length - 1].varies = groups[groups.length - 1].varies || last;
    } else if (character === "|") {
      top.varies = true;
      if (groups.length > 1) choices += 1;
    } else if (character === "?") {
      top.varies = true;
      choices += 1;
    } else {
      const counted = character === "{" ? /^\{(\d+)(,\d*)?\}/.exec(source.slice(at)) : null;
      if (character !== "*" && character !== "+" && !counted) { last = false; continue; }
      if (last) return -1;
      if (counted) at += counted[0].length - 1;
      if (!counted || counted[2]) { top.varies = true; count += 1; }
      if (source[at + 1] === "?") at += 1;
    }
  }
  return choices > MOST_CHOICES || count >= TRIED.length || source.length > LONGEST_PATTERN ? -1 : count;
}
// Lower case finds both; anything that is no pattern throws.
function compile(source) {
  const flags = /[A-Z]/.test(source.replace(/\\./g, "")) ? "" : "i";
  try {
    return new RegExp(source, flags + "u");
  } catch (error) {
    return new RegExp(source, flags);
  }
}
// Which names match, and how many could be tried in time.
function tryNames(names, pattern, count) {
  const hit = new Uint8Array(names.length);
  const until = performance.now() + BUDGET;
  let tried = 0;
  for (; tried < names.length && performance.now() < until; tried += 1) {
    const name = names[tried];
    if (pattern.test(name.length > TRIED[count] ? name.slice(0, TRIED[count]) : name)) hit[tried] = 1;
  }
  return { hit: hit, tried: tried };
}
// The frames that match, and their weight, counted once where one stands on another.
function weighMatches(frames, shape, hit) {
  const covered = new Uint8Array(frames.count);
  const found = [];
  let sum = 0;
  for (let i = 0; i < frames.count; i += 1) {
    const matches = hit[frames.name[i]], above = i > 0 && covered[frames.parent[i]];
    if (matches || above) covered[i] = 1;
    if (!matches || !shape.total[i]) continue;
    found.push(i);
    if (!above) sum += shape.total[i];
  }
  return { found: found, sum: sum };
}
