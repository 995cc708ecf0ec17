// The RGB frame beside the cloud, with the picked point's way drawn on it.

/** Draw the bitmap, and the picked track up to and after `frame`. */
export function drawPicture(canvas, bitmap, clip, picked, frame) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  if (!picked) return;
  const set = clip.sets[picked.set];
  const [height, width] = set.imageSize;
  const at = (t) => {
    const uvd = set.uvd(t, picked.point);
    return uvd && [((uvd[0] + 0.5) / width) * canvas.width, ((uvd[1] + 0.5) / height) * canvas.height];
  };
  context.lineWidth = Math.max(1, canvas.width / 300);
  for (const [from, to, color] of [[frame, clip.frames - 1, "#ffffff66"], [0, frame, "#ffffff"]]) {
    context.strokeStyle = color;
    context.beginPath();
    let down = false;
    for (let t = from; t <= to; t++) {
      const place = at(t);
      if (!place) down = false;
      else if (down) context.lineTo(...place);
      else {
        context.moveTo(...place);
        down = true;
      }
    }
    context.stroke();
  }
  const here = at(frame);
  if (!here) return;
  context.beginPath();
  context.arc(...here, canvas.width / 80, 0, 2 * Math.PI);
  context.strokeStyle = "#000";
  context.lineWidth *= 2.4;
  context.stroke();
  context.strokeStyle = "#fff";
  context.lineWidth /= 2.4;
  context.stroke();
}

/** The clip's pixel (u, v) under a pointer event on the canvas, which shows its picture letterboxed. */
export function pixelAt(canvas, event, imageSize) {
  const scale = Math.min(canvas.clientWidth / canvas.width, canvas.clientHeight / canvas.height);
  const left = (canvas.clientWidth - canvas.width * scale) / 2;
  const top = (canvas.clientHeight - canvas.height * scale) / 2;
  const [height, width] = imageSize;
  return [
    ((event.offsetX - left) / scale / canvas.width) * width - 0.5,
    ((event.offsetY - top) / scale / canvas.height) * height - 0.5,
  ];
}
