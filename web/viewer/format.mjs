// Reads a .pvt file (docs/viewer-format.md). Nothing is copied: arrays are views into the buffer that arrived.

export const VALID = 1 << 15;
export const VISIBLE = 1 << 14;
const RIGIDITY_STEPS = (1 << 14) - 1;
export const STEPS = 65535; // of a coordinate over its span
const VERSION = 1;

export class FormatError extends Error {}

/** Parse an ArrayBuffer. Throws FormatError with a code for strings.mjs: "notViewerFile", "newerFile" or "truncatedFile". */
export function parseClip(buffer) {
  if (buffer.byteLength < 8 || String.fromCharCode(...new Uint8Array(buffer, 0, 4)) !== "PVT1") {
    throw new FormatError("notViewerFile");
  }
  const start = 8 + new DataView(buffer).getUint32(4, true);
  if (start > buffer.byteLength) throw new FormatError("truncatedFile");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
  if (header.version > VERSION) throw new FormatError("newerFile");
  const view = (place, Type) => {
    if (!place) return null;
    if (start + place[0] + place[1] > buffer.byteLength) throw new FormatError("truncatedFile");
    return new Type(buffer, start + place[0], place[1] / Type.BYTES_PER_ELEMENT);
  };
  return {
    title: header.title,
    frames: header.frames,
    fps: header.fps,
    sets: header.sets.map((entry) => new TrackSet(entry, view)),
    images: header.video ? header.video.jpeg.map((place) => view(place, Uint8Array)) : [],
    imageSize: header.video ? header.video.size : null,
  };
}

/** One set of tracks: its header entry plus typed arrays. */
export class TrackSet {
  constructor(entry, view) {
    this.name = entry.name;
    this.points = entry.points;
    this.totalPoints = entry.total_points;
    this.undrawable = entry.undrawable;
    this.imageSize = entry.image_size;
    this.camera = entry.camera;
    this.metric = entry.depth_unit === "metric";
    this.low = entry.low;
    this.span = entry.span;
    this.rigidityMax = entry.rigidity_max;
    this.ranges = { depth: entry.depth, speed: entry.speed, rigidity: entry.rigidity };
    this.center = entry.center;
    this.radius = entry.radius;
    this.samples = view(entry.samples, Uint16Array);
    this.index = view(entry.index, Uint32Array);
    this.color = view(entry.color, Uint8Array);
    this.object = view(entry.object, Int32Array);
  }

  /** [u, v, depth] of point i (as stored) in frame t, or null where the sample cannot be drawn. */
  uvd(t, i) {
    const at = (t * this.points + i) * 4;
    if (!(this.samples[at + 3] & VALID)) return null;
    const value = (axis) => this.low[axis] + (this.span[axis] * this.samples[at + axis]) / STEPS;
    return [value(0), value(1), Math.exp(value(2))];
  }

  /** [x, y, z] in camera space (x right, y down, z forward), or null. */
  xyz(t, i) {
    const uvd = this.uvd(t, i);
    return uvd && this.unproject(...uvd);
  }

  /** Pixel and depth to camera space. */
  unproject(u, v, d) {
    const [fx, fy, cx, cy] = this.camera;
    return [((u - cx) / fx) * d, ((v - cy) / fy) * d, d];
  }

  visible(t, i) {
    return (this.samples[(t * this.points + i) * 4 + 3] & VISIBLE) !== 0;
  }

  rigidityError(t, i) {
    return ((this.samples[(t * this.points + i) * 4 + 3] & RIGIDITY_STEPS) / RIGIDITY_STEPS) * this.rigidityMax;
  }

  /** Distance a second between frame t and the next (before the last: the previous), or null. */
  speed(t, i, fps) {
    const from = Math.max(0, Math.min(t, this.samples.length / 4 / this.points - 2));
    const a = this.xyz(from, i);
    const b = this.samples.length / 4 / this.points > 1 ? this.xyz(from + 1, i) : null;
    return a && b && Math.hypot(b[0] - a[0], b[1] - a[1], b[2] - a[2]) * fps;
  }
}
