// Draws track sets with WebGL2. Everything on the graphics card can be rebuilt from the clip after a lost context.

import { colormap, PALETTE } from "./colormaps.mjs";
import {
  CAMERA_FRAGMENT, CAMERA_VERTEX, POINT_VERTEX, ROUND_FRAGMENT, SQUARE_FRAGMENT, TRAIL_FRAGMENT, TRAIL_VERTEX,
} from "./shaders.mjs";
import { rendersInSoftware } from "./software.mjs";

export const MODES = ["rgb", "depth", "speed", "object", "rigidity", "visibility", "set"];
const SCALED = { depth: "depth", speed: "speed", rigidity: "rigidity" };
const BACKGROUND = [0.082, 0.086, 0.098];
const SET_COLORS = [[0.337, 0.706, 0.914], [0.902, 0.624, 0.0]];
const TRAILED = 3000; // more lines hide the cloud they belong to
const SAMPLE_BYTES = 8;

export class Renderer {
  /** Throws Error("noWebGL") where the browser has no WebGL2. */
  constructor(canvas) {
    this.canvas = canvas;
    this.software = rendersInSoftware();
    this.gl = canvas.getContext("webgl2", { alpha: false, depth: true, antialias: !this.software });
    if (!this.gl) throw new Error("noWebGL");
    this.clip = null;
    this.#build();
  }

  /** After webglcontextrestored: make everything again. */
  restore() {
    this.#build();
    if (this.clip) this.load(this.clip);
  }

  #build() {
    const { gl } = this;
    this.programs = {
      points: link(gl, POINT_VERTEX, this.software ? SQUARE_FRAGMENT : ROUND_FRAGMENT),
      trails: link(gl, TRAIL_VERTEX, TRAIL_FRAGMENT),
      camera: link(gl, CAMERA_VERTEX, CAMERA_FRAGMENT),
    };
    this.map = texture(gl, gl.LINEAR);
    this.mapName = null;
    this.picture = texture(gl, gl.LINEAR);
    this.pictureSource = null;
    this.cameraBuffer = gl.createBuffer();
    this.pickBuffer = gl.createBuffer();
    this.pickShown = null;
    this.buffers = [];
  }

  load(clip) {
    const { gl } = this;
    this.#deleteSets();
    this.clip = clip;
    this.buffers = clip.sets.map((set) => ({
      samples: upload(gl, set.samples),
      color: set.color && upload(gl, set.color),
      object: set.object && upload(gl, set.object),
    }));
    this.pickShown = null;
    this.pictureSource = null;
  }

  /** The scale of a colour mode over every set shown, [low, high]; null where the mode has no scale. */
  range(mode) {
    const key = SCALED[mode];
    if (!key) return null;
    const ranges = this.clip.sets.filter((set) => set.points).map((set) => set.ranges[key]);
    return ranges.length ? [Math.min(...ranges.map((r) => r[0])), Math.max(...ranges.map((r) => r[1]))] : [0, 1];
  }

  /**
   * Draw one picture.
   * @param state {time, camera, views: [{sets: [index], x, width}] in fractions of the canvas, mode, colormap, pointSize,
   *   showHidden, smooth, trails (frames), frustum, imagePlane, picture (ImageBitmap or null), picked ({set, point} or null)}
   */
  draw(state) {
    const { gl, canvas, clip } = this;
    if (!clip || gl.isContextLost()) return;
    this.#useMap(state.colormap);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(...BACKGROUND, 1);
    gl.enable(gl.DEPTH_TEST);
    gl.depthMask(true);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.SCISSOR_TEST);
    for (const view of state.views) {
      const x = Math.round(view.x * canvas.width);
      const width = Math.max(1, Math.round(view.width * canvas.width));
      gl.viewport(x, 0, width, canvas.height);
      gl.scissor(x, 0, width, canvas.height);
      const matrix = state.camera.matrix(width / canvas.height);
      for (const index of view.sets) this.#drawSet(state, index, matrix);
      if (state.picked && view.sets.includes(state.picked.set)) this.#drawPick(state, matrix);
      this.#drawClipCamera(state, clip.sets[view.sets[0]], matrix);
    }
  }

  #drawSet(state, index, matrix) {
    const { gl } = this;
    const set = this.clip.sets[index];
    if (!set.points) return;
    const moment = this.#moment(state);
    const size = state.pointSize * state.camera.distance * (this.canvas.height / this.canvas.clientHeight || 1);
    const points = this.#use("points", state, set, index, matrix);
    this.#attributes(this.buffers[index], set.points, moment.now, moment.next, 0);
    gl.uniform1f(points.uFraction, moment.fraction);
    gl.uniform1f(points.uSize, size);
    gl.uniform1f(points.uHidden, state.showHidden ? 0.35 : 0);
    gl.uniform3fv(points.uBackground, BACKGROUND);
    gl.drawArrays(gl.POINTS, 0, set.points);
    if (state.trails) this.#drawTrails(state, set, index, matrix, moment);
  }

  #drawTrails(state, set, index, matrix, moment) {
    const { gl } = this;
    const trails = this.#use("trails", state, set, index, matrix);
    const count = Math.min(set.points, TRAILED);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.depthMask(false);
    for (let age = 0; age < state.trails; age++) {
      const t = moment.now - age;
      if (t < 0) break;
      if (age === 0 && moment.fraction === 0) continue;
      this.#attributes(this.buffers[index], set.points, t, Math.min(t + 1, this.clip.frames - 1), 1);
      gl.uniform1f(trails.uFraction, age === 0 ? moment.fraction : 1);
      gl.uniform1f(trails.uAlpha, 0.75 * (1 - age / state.trails));
      gl.drawArraysInstanced(gl.LINES, 0, 2, count);
    }
    gl.depthMask(true);
    gl.disable(gl.BLEND);
  }

  /** The whole way of the picked point, white, drawn over everything, with its present place as a ring-sized dot. */
  #drawPick(state, matrix) {
    const { gl } = this;
    const { set: index, point } = state.picked;
    const set = this.clip.sets[index];
    const { frames } = this.clip;
    if (this.pickShown !== state.picked) {
      const path = new Uint16Array(frames * 4);
      for (let t = 0; t < frames; t++) {
        const at = (t * set.points + point) * 4;
        path.set(set.samples.subarray(at, at + 4), t * 4);
      }
      gl.bindBuffer(gl.ARRAY_BUFFER, this.pickBuffer);
      gl.bufferData(gl.ARRAY_BUFFER, path, gl.STATIC_DRAW);
      this.pickShown = state.picked;
    }
    const white = { ...state, mode: "set", setColor: [1, 1, 1] };
    const buffers = { samples: this.pickBuffer };
    gl.disable(gl.DEPTH_TEST);
    if (frames > 1) {
      const trails = this.#use("trails", white, set, index, matrix);
      this.#attributes(buffers, 1, 0, 1, 1);
      gl.uniform1f(trails.uFraction, 1);
      gl.uniform1f(trails.uAlpha, 1);
      gl.drawArraysInstanced(gl.LINES, 0, 2, frames - 1);
    }
    const moment = this.#moment(state);
    const points = this.#use("points", white, set, index, matrix);
    this.#attributes(buffers, 1, moment.now, moment.next, 0);
    gl.uniform1f(points.uFraction, moment.fraction);
    const size = Math.max(state.pointSize * 2.2, 9) * state.camera.distance;
    gl.uniform1f(points.uSize, size * (this.canvas.height / this.canvas.clientHeight || 1));
    gl.uniform1f(points.uHidden, 1);
    gl.uniform3fv(points.uBackground, BACKGROUND);
    gl.drawArrays(gl.POINTS, 0, 1);
    gl.enable(gl.DEPTH_TEST);
  }

  /** Edges of the clip camera's view and its picture at the far end, behind the points. */
  #drawClipCamera(state, set, matrix) {
    const { gl } = this;
    if (!state.frustum && !state.imagePlane) return;
    const far = set.ranges.depth[1] * 1.08;
    const [height, width] = set.imageSize;
    const corner = (u, v) => {
      const [x, y, z] = set.unproject(u, v, far);
      return [x, -y, -z];
    };
    const [a, b, c, d] = [[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]].map(
      ([u, v]) => corner(u, v),
    );
    const eye = [0, 0, 0];
    const lines = [eye, a, eye, b, eye, c, eye, d, a, b, b, c, c, d, d, a].flatMap((at) => [...at, 0, 0]);
    const quad = [...a, 0, 0, ...b, 1, 0, ...d, 0, 1, ...c, 1, 1];
    gl.bindBuffer(gl.ARRAY_BUFFER, this.cameraBuffer);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([...lines, ...quad]), gl.STREAM_DRAW);
    const program = this.programs.camera;
    gl.useProgram(program.handle);
    for (let location = 0; location < 4; location++) {
      if (location < 2) gl.enableVertexAttribArray(location);
      else gl.disableVertexAttribArray(location);
      gl.vertexAttribDivisor(location, 0);
    }
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 20, 0);
    gl.vertexAttribPointer(1, 2, gl.FLOAT, false, 20, 12);
    gl.uniformMatrix4fv(program.uMatrix, false, matrix);
    gl.uniform1i(program.uPicture, 1);
    if (state.imagePlane && state.picture) {
      this.#usePicture(state.picture);
      gl.uniform1i(program.uTextured, 1);
      gl.uniform4f(program.uColor, 0.72, 0.72, 0.72, 1);
      gl.drawArrays(gl.TRIANGLE_STRIP, 16, 4);
    }
    if (state.frustum) {
      gl.uniform1i(program.uTextured, 0);
      gl.uniform4f(program.uColor, 0.55, 0.6, 0.68, 1);
      gl.drawArrays(gl.LINES, 0, 16);
    }
  }

  /** The two frames the time lies between. At the end the pair is the last two, so that speed stays known. */
  #moment(state) {
    const last = this.clip.frames - 1;
    const now = Math.min(Math.floor(state.time + 1e-6), last);
    if (now === last) return { now: Math.max(0, last - 1), next: last, fraction: 1 };
    return { now, next: now + 1, fraction: state.smooth ? Math.max(0, state.time - now) : 0 };
  }

  #use(name, state, set, index, matrix) {
    const { gl } = this;
    const program = this.programs[name];
    gl.useProgram(program.handle);
    gl.uniform3fv(program.uLow, set.low);
    gl.uniform3fv(program.uSpan, set.span);
    gl.uniform4fv(program.uCamera, set.camera);
    gl.uniformMatrix4fv(program.uMatrix, false, matrix);
    gl.uniform1i(program.uMode, MODES.indexOf(state.mode));
    gl.uniform2fv(program.uRange, this.range(state.mode) ?? [0, 1]);
    gl.uniform1f(program.uFps, this.clip.fps);
    gl.uniform1f(program.uRigidityMax, set.rigidityMax);
    gl.uniform3fv(program.uPalette, PALETTE.flat().map((value) => value / 255));
    gl.uniform3fv(program.uSetColor, state.setColor ?? SET_COLORS[index]);
    gl.uniform1i(program.uMap, 0);
    return program;
  }

  #attributes(buffers, points, now, next, divisor) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, buffers.samples);
    [now, next].forEach((t, location) => {
      const start = t * points * SAMPLE_BYTES;
      gl.enableVertexAttribArray(location);
      // All four: three 16-bit components have no native vertex format, and drivers then convert the buffer at every draw.
      gl.vertexAttribPointer(location, 4, gl.UNSIGNED_SHORT, true, SAMPLE_BYTES, start);
    });
    if (buffers.color) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers.color);
      gl.enableVertexAttribArray(2);
      gl.vertexAttribPointer(2, 4, gl.UNSIGNED_BYTE, true, 4, 0);
    } else {
      gl.disableVertexAttribArray(2);
      gl.vertexAttrib4f(2, 0.8, 0.82, 0.85, 1);
    }
    if (buffers.object) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers.object);
      gl.enableVertexAttribArray(3);
      gl.vertexAttribIPointer(3, 1, gl.INT, 4, 0);
    } else {
      gl.disableVertexAttribArray(3);
      gl.vertexAttribI4i(3, 0, 0, 0, 0);
    }
    for (let location = 0; location < 4; location++) gl.vertexAttribDivisor(location, divisor);
  }

  #useMap(name) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.map);
    if (this.mapName === name) return;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, colormap(name));
    this.mapName = name;
  }

  #usePicture(bitmap) {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.picture);
    if (this.pictureSource === bitmap) return;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    this.pictureSource = bitmap;
  }

  #deleteSets() {
    for (const { samples, color, object } of this.buffers) {
      for (const buffer of [samples, color, object]) if (buffer) this.gl.deleteBuffer(buffer);
    }
    this.buffers = [];
  }

  /** Free the context now: browsers allow only a few, and collect them late. */
  dispose() {
    this.#deleteSets();
    this.clip = null;
    this.pictureSource = null;
    this.pickShown = null;
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

function upload(gl, array) {
  const buffer = gl.createBuffer();
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, array, gl.STATIC_DRAW);
  return buffer;
}

function texture(gl, filter) {
  const handle = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, handle);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return handle;
}

/** A program with its uniforms' locations as properties. */
function link(gl, vertex, fragment) {
  const handle = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(handle, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(handle);
  if (!gl.getProgramParameter(handle, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = gl.getAttachedShaders(handle).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`PointVid viewer: shader failed to build. ${logs.join(" ")} ${gl.getProgramInfoLog(handle)}`);
  }
  const program = { handle };
  for (let i = 0; i < gl.getProgramParameter(handle, gl.ACTIVE_UNIFORMS); i++) {
    const { name } = gl.getActiveUniform(handle, i);
    program[name.replace("[0]", "")] = gl.getUniformLocation(handle, name);
  }
  return program;
}
