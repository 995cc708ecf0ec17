// Where in the clip we are. Time is a frame number with a fraction: 3.5 is halfway between frames 3 and 4.

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];

export class Player {
  constructor(frames, fps) {
    this.frames = frames;
    this.fps = fps;
    this.time = 0;
    this.speed = 1;
    this.loop = true;
    this.playing = false;
  }

  /** The frame whose picture is shown. */
  get frame() {
    return Math.min(Math.floor(this.time + 1e-6), this.frames - 1);
  }

  /** Every frame lasts 1 / fps, the last one too; motion between the last and the first is never made up. */
  advance(seconds) {
    if (!this.playing) return;
    this.time += seconds * this.fps * this.speed;
    if (this.time < this.frames) return;
    if (this.loop) {
      this.time %= this.frames;
    } else {
      this.time = this.frames - 1;
      this.playing = false;
    }
  }

  play() {
    if (!this.loop && this.frame === this.frames - 1) this.time = 0;
    this.playing = this.frames > 1;
  }

  pause() {
    this.playing = false;
  }

  seek(time) {
    this.time = Math.max(0, Math.min(this.frames - 1, time));
  }

  /** Pause on a neighbouring frame; wraps round when looping. */
  step(by) {
    this.pause();
    const next = this.frame + by;
    this.seek(this.loop ? (next + this.frames) % this.frames : next);
  }
}
