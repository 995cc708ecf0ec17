// GLSL of the three things that are drawn: points, trails (line segments between two frames) and the clip's camera.

// Decoding of a sample and its colour, shared by points and trails. Axes flip from the clip's (y down, z forward) to WebGL's.
const SAMPLE = `#version 300 es
precision highp float;
precision highp int;
layout(location = 0) in vec4 aNow;
layout(location = 1) in vec4 aNext;
layout(location = 2) in vec4 aColor;
layout(location = 3) in int aObject;
uniform vec3 uLow, uSpan;
uniform vec4 uCamera;
uniform mat4 uMatrix;
uniform int uMode;
uniform vec2 uRange;
uniform float uFps, uRigidityMax;
uniform vec3 uPalette[8];
uniform vec3 uSetColor;
uniform sampler2D uMap;

const uint VALID = 32768u, VISIBLE = 16384u, RIGIDITY = 16383u;
const vec4 NOWHERE = vec4(2.0, 2.0, 2.0, 1.0);

uint flagsOf(vec4 raw) { return uint(raw.w * 65535.0 + 0.5); }

vec3 position(vec4 raw) {
  vec3 q = uLow + uSpan * raw.xyz;
  float d = exp(q.z);
  return vec3((q.x - uCamera.z) / uCamera.x * d, -(q.y - uCamera.w) / uCamera.y * d, -d);
}

vec3 scaled(float value) {
  float x = clamp((value - uRange.x) / max(uRange.y - uRange.x, 1e-20), 0.0, 1.0);
  return texture(uMap, vec2((x * 255.0 + 0.5) / 256.0, 0.5)).rgb;
}

vec3 colour(vec3 here, float speed, uint flags) {
  if (uMode == 0) return aColor.rgb;
  if (uMode == 1) return scaled(-here.z);
  if (uMode == 2) return scaled(speed);
  if (uMode == 3) return aObject <= 0 ? vec3(0.45) : uPalette[(aObject - 1) % 8];
  if (uMode == 4) return scaled(float(flags & RIGIDITY) / 16383.0 * uRigidityMax);
  if (uMode == 5) return (flags & VISIBLE) != 0u ? uPalette[1] : uPalette[6];
  return uSetColor;
}
`;

// Colours are flat: a point has one, and interpolating it would cost a software renderer a quarter of its speed.
export const POINT_VERTEX = `${SAMPLE}
uniform float uFraction, uSize, uHidden;
uniform vec3 uBackground;
flat out vec3 vColor;
flat out float vRound;
void main() {
  bool last = uFraction >= 1.0;
  uint nowFlags = flagsOf(aNow), nextFlags = flagsOf(aNext);
  uint flags = last ? nextFlags : nowFlags;
  bool hidden = (flags & VISIBLE) == 0u;
  if ((flags & VALID) == 0u || (hidden && uHidden == 0.0)) {
    gl_Position = NOWHERE;
    gl_PointSize = 1.0;
    return;
  }
  vec3 now = position(aNow), next = position(aNext);
  bool both = (nowFlags & nextFlags & VALID) != 0u;
  vec3 here = both ? mix(now, next, uFraction) : (last ? next : now);
  vColor = colour(here, both ? distance(now, next) * uFps : 0.0, flags);
  gl_Position = uMatrix * vec4(here, 1.0);
  gl_PointSize = clamp(uSize / gl_Position.w, 1.0, 64.0);
  if (hidden && uMode != 5) {
    vColor = mix(uBackground, vColor, uHidden);
    gl_PointSize = max(1.0, gl_PointSize * 0.7);
  }
  vRound = gl_PointSize > 2.5 ? 1.0 : 0.0;
}`;

export const ROUND_FRAGMENT = `#version 300 es
precision mediump float;
flat in vec3 vColor;
flat in float vRound;
out vec4 color;
void main() {
  vec2 offset = gl_PointCoord * 2.0 - 1.0;
  float square = dot(offset, offset) * vRound;
  if (square > 1.0) discard;
  color = vec4(vColor * (1.0 - 0.3 * square), 1.0);
}`;

// For software rendering: a shader that may discard cannot be skipped behind nearer points, which costs a third of the speed.
export const SQUARE_FRAGMENT = `#version 300 es
precision mediump float;
flat in vec3 vColor;
out vec4 color;
void main() { color = vec4(vColor, 1.0); }`;

export const TRAIL_VERTEX = `${SAMPLE}
uniform float uAlpha, uFraction;
out vec4 vColor;
void main() {
  uint nextFlags = flagsOf(aNext);
  if ((flagsOf(aNow) & nextFlags & VALID) == 0u) {
    gl_Position = NOWHERE;
    return;
  }
  vec3 now = position(aNow), next = position(aNext);
  vec3 end = mix(now, next, uFraction);
  vColor = vec4(colour(end, distance(now, next) * uFps, nextFlags), uAlpha);
  gl_Position = uMatrix * vec4(gl_VertexID == 0 ? now : end, 1.0);
}`;

export const TRAIL_FRAGMENT = `#version 300 es
precision mediump float;
in vec4 vColor;
out vec4 color;
void main() { color = vColor; }`;

// The clip's camera: uTextured 1 draws its picture, 0 draws lines in uColor.
export const CAMERA_VERTEX = `#version 300 es
precision highp float;
layout(location = 0) in vec3 aPosition;
layout(location = 1) in vec2 aTexture;
uniform mat4 uMatrix;
out vec2 vTexture;
void main() {
  vTexture = aTexture;
  gl_Position = uMatrix * vec4(aPosition, 1.0);
}`;

export const CAMERA_FRAGMENT = `#version 300 es
precision mediump float;
in vec2 vTexture;
uniform sampler2D uPicture;
uniform bool uTextured;
uniform vec4 uColor;
out vec4 color;
void main() { color = uTextured ? vec4(texture(uPicture, vTexture).rgb * uColor.rgb, uColor.a) : uColor; }`;
