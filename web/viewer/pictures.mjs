// The clip's frames, decoded when needed; a bounded number stays decoded so that 1000 frames do not fill memory.

const KEPT = 64;

export class Pictures {
  constructor(images) {
    this.images = images;
    this.decoded = new Map();
    this.closed = false;
  }

  get count() {
    return this.images.length;
  }

  /** The ImageBitmap of frame t when it is ready, else null; `onReady` is called once it is. The next frames are fetched ahead. */
  get(t, onReady) {
    if (!this.count) return null;
    for (let ahead = 1; ahead <= 4; ahead++) this.#request((t + ahead) % this.count);
    const entry = this.#request(t, onReady);
    return entry.bitmap;
  }

  #request(t, onReady) {
    let entry = this.decoded.get(t);
    if (entry) {
      this.decoded.delete(t); // re-inserted below: the map's order is the order of last use
    } else {
      entry = { bitmap: null, waiting: null };
      createImageBitmap(new Blob([this.images[t]], { type: "image/jpeg" })).then(
        (bitmap) => {
          if (this.closed || this.decoded.get(t) !== entry) return bitmap.close();
          entry.bitmap = bitmap;
          entry.waiting?.();
        },
        () => {}, // a damaged picture stays blank; the points are unaffected
      );
    }
    if (onReady) entry.waiting = onReady;
    this.decoded.set(t, entry);
    if (this.decoded.size > KEPT) {
      const [oldest, dropped] = this.decoded.entries().next().value;
      this.decoded.delete(oldest);
      dropped.bitmap?.close();
    }
    return entry;
  }

  dispose() {
    this.closed = true;
    for (const entry of this.decoded.values()) entry.bitmap?.close();
    this.decoded.clear();
  }
}
