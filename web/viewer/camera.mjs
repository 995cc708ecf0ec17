// The eye that looks at the cloud. World axes are OpenGL's: x right, y up, z towards the viewer, so a point (x, y, z) of the
// clip's camera is (x, -y, -z) here, and the clip's camera sits at the origin looking down -z.

import { dot, multiply, perspective, viewFrom } from "./matrix.mjs";

const TANGENT = Math.tan(0.4); // of half the field of view, along the shorter side of the view
const FILL = 0.88; // the share of the view that the cloud takes up
const MAX_PITCH = Math.PI / 2 - 0.01;

export class OrbitCamera {
  constructor() {
    this.frame([0, 0, 1], 1, []);
  }

  /** What a reset brings into view: centre, radius and some points of the cloud, in the clip's axes. */
  frame(center, radius, points) {
    const world = ([x, y, z]) => [x, -y, -z];
    const size = radius || 0.1 * Math.hypot(...center) || 1;
    this.home = { target: world(center), radius: size, points: points.map(world) };
    this.reset();
  }

  /** A three-quarter view of the whole cloud, as close as a view of that aspect allows. */
  reset(aspect = 1) {
    const { target, radius, points } = this.home;
    this.yaw = 0.45;
    this.pitch = 0.22;
    this.tangent = TANGENT;
    this.target = [...target];
    const { right, up, back } = this.axes();
    const tangentY = FILL * TANGENT * Math.max(1, 1 / aspect);
    const needed = points.map((point) => {
      const from = point.map((value, k) => value - target[k]);
      return dot(from, back) + Math.max(Math.abs(dot(from, up)), Math.abs(dot(from, right)) / aspect) / tangentY;
    });
    needed.sort((a, b) => a - b);
    // All but the farthest strays; a cloud of one point is seen from some way off.
    this.distance = Math.max(needed[Math.floor(needed.length * 0.995)] ?? 0, (0.3 * radius) / TANGENT);
  }

  /** Look through the clip's own camera: its position, direction and the field of view that shows its whole image. */
  matchClip(set, aspect) {
    const [height, width] = set.imageSize;
    const [fx, fy, cx, cy] = set.camera;
    const tangentY = Math.max(cy + 0.5, height - cy - 0.5) / fy;
    const tangentX = Math.max(cx + 0.5, width - cx - 0.5) / fx;
    this.distance = Math.hypot(...this.home.target) || 1;
    this.target = [0, 0, -this.distance];
    this.yaw = 0;
    this.pitch = 0;
    this.tangent = Math.max(tangentY, tangentX / aspect) * 1.02 * Math.min(1, aspect);
  }

  orbit(dx, dy) {
    this.yaw -= dx;
    this.pitch = Math.max(-MAX_PITCH, Math.min(MAX_PITCH, this.pitch + dy));
  }

  /** Shift the target in the image plane; dx, dy in fractions of the view's height. */
  pan(dx, dy) {
    const { right, up } = this.axes();
    const scale = 2 * this.distance * this.tangent;
    for (let k = 0; k < 3; k++) this.target[k] += (-dx * right[k] + dy * up[k]) * scale;
  }

  /** factor < 1 comes closer. */
  zoom(factor) {
    const { radius } = this.home;
    this.distance = Math.max(radius * 0.01, Math.min(radius * 1000, this.distance * factor));
  }

  axes() {
    const [sy, cy, sp, cp] = [Math.sin(this.yaw), Math.cos(this.yaw), Math.sin(this.pitch), Math.cos(this.pitch)];
    return { right: [cy, 0, -sy], up: [-sy * sp, cp, -cy * sp], back: [sy * cp, sp, cy * cp] };
  }

  /** World to clip space for a view of that aspect (width / height). */
  matrix(aspect) {
    const { right, up, back } = this.axes();
    const eye = this.target.map((value, k) => value + back[k] * this.distance);
    const reach = this.distance + Math.hypot(...this.home.target) + 20 * this.home.radius;
    const projection = perspective(this.tangent * Math.max(1, 1 / aspect), aspect, Math.max(this.distance, reach * 0.01) * 0.01, reach * 4);
    return multiply(projection, viewFrom(eye, right, up, back));
  }
}
