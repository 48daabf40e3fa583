// Frames in columns, row by row. The tree is in `first` and `kids`: frames on frame i are consecutive.
function decode(data) {
  const count = data.kids.length;
  const frames = {
    count: count, names: data.names, name: data.name, kids: data.kids,
    first: new Int32Array(count), parent: new Int32Array(count), depth: new Int32Array(count), rows: [0],
  };
  frames.parent[0] = -1;
  let next = 1;
  for (let i = 0; i < count; i += 1) {
    frames.first[i] = next;
    for (const end = next + data.kids[i]; next < end; next += 1) {
      frames.parent[next] = i;
      frames.depth[next] = frames.depth[i] + 1;
      if (frames.depth[next] === frames.rows.length) frames.rows.push(next);
    }
  }
  frames.rows.push(count);
  frames.shapes = data.shapes.map(function (shape) { return spread(frames, shape); });
  return frames;
}
// Where the frames start, in the unit of the profile.
function spread(frames, shape) {
  const start = new Float64Array(frames.count), own = new Float64Array(frames.count);
  for (let i = 0; i < frames.count; i += 1) {
    const end = frames.first[i] + frames.kids[i];
    let above = shape.rest[i] || 0;
    for (let kid = frames.first[i]; kid < end; kid += 1) above += shape.total[kid];
    own[i] = Math.max(0, shape.total[i] - above);
    let at = start[i] + own[i];
    for (let kid = frames.first[i]; kid < end; kid += 1) {
      at += shape.gap[kid] || 0;
      start[kid] = at;
      at += shape.total[kid];
    }
  }
  return { of: shape.of, start: start, total: shape.total, own: own, whole: shape.total[0] };
}
// The first frame of a row that ends beyond a weight; the row's end if there is none.
function firstBeyond(frames, shape, depth, weight) {
  let low = frames.rows[depth], high = frames.rows[depth + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shape.start[middle] + shape.total[middle] > weight) high = middle; else low = middle + 1;
  }
  return low;
}
// The frame of a row over a weight, or -1.
function frameAt(frames, shape, depth, weight) {
  if (!(depth >= 0 && depth < frames.rows.length - 1)) return -1;
  const found = firstBeyond(frames, shape, depth, weight);
  return found < frames.rows[depth + 1] && shape.start[found] <= weight ? found : -1;
}
function inside(frames, frame, ancestor) {
  while (frame > ancestor) frame = frames.parent[frame];
  return frame === ancestor;
}
