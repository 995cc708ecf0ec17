// PNG and WebM of what is on screen: the cloud, with the RGB frame beside it where that is shown.

/** A canvas with the RGB frame (if any) left of the cloud, at most as large as the cloud. */
export function compose(cloud, picture, target = document.createElement("canvas")) {
  const { height } = cloud;
  const scale = picture ? Math.min(height / picture.height, cloud.width / picture.width) : 0;
  const width = picture ? Math.round(picture.width * scale) : 0;
  // Video encoders want even sizes; setting a size clears the canvas, so it is done only when it changes.
  const size = [(width + cloud.width) & ~1, height & ~1];
  if (target.width !== size[0] || target.height !== size[1]) [target.width, target.height] = size;
  const context = target.getContext("2d", { willReadFrequently: true }); // kept off the graphics card: recorders read it
  context.fillStyle = "#0e0f12";
  context.fillRect(0, 0, target.width, target.height);
  if (picture) context.drawImage(picture, 0, (height - picture.height * scale) / 2, width, picture.height * scale);
  context.drawImage(cloud, width, 0);
  return target;
}

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Records a canvas until stop() is called; the promise of `done` gives a WebM Blob. Throws Error("noRecorder"). */
export function startRecording(canvas) {
  const type = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"].find((each) =>
    globalThis.MediaRecorder?.isTypeSupported(each),
  );
  if (!type || !canvas.captureStream) throw new Error("noRecorder");
  const stream = canvas.captureStream(30);
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 12_000_000 });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const done = new Promise((resolve) => {
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      resolve(new Blob(parts, { type: "video/webm" }));
    };
  });
  recorder.start();
  return { done, stop: () => recorder.state !== "inactive" && recorder.stop() };
}

/** Call draw(elapsed seconds) at every refresh for so long, or until it returns false; then let the recorder catch up. */
export async function drawFor(seconds, draw) {
  const started = performance.now();
  await new Promise((resolve) => {
    const step = (now) => {
      const elapsed = (now - started) / 1000;
      if (elapsed >= seconds || !draw(elapsed)) resolve();
      else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  await new Promise((resolve) => setTimeout(resolve, 1000)); // drawn frames reach the encoder late on a busy machine
}
