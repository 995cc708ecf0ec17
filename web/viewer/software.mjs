// Whether WebGL is drawn by the processor: there, smooth edges and round points would halve the frame rate.

let known = null;

export function rendersInSoftware() {
  if (known !== null) return known;
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return (known = true);
  const name = gl.getParameter(gl.getExtension("WEBGL_debug_renderer_info")?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return (known = /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name));
}
