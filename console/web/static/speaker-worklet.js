// The loudspeaker: plays frames in their order, stops where it is told, and says how far it is.
//
// Positions count frames of sound; silence is not counted. A chunk belongs to an epoch, which each CUT ends.

const QUANTA_PER_REPORT = 2;
const QUANTA_PER_IDLE_REPORT = 18;
const GAIN_RAMP_SECONDS = 0.01;
const SCALE = 1 / 32768;

class Speaker extends AudioWorkletProcessor {
  constructor({ processorOptions: { channels, gain } }) {
    super();
    this.channels = channels;
    this.chunks = [];
    this.cuts = [];
    // Epochs: of what arrives, and of what plays
    this.arriving = 0;
    this.playing = 0;
    this.position = 0;
    this.starved = 0;
    this.dry = true;
    this.suspended = false;
    this.quanta = 0;
    this.gain = gain ?? 1;
    this.wanted = this.gain;
    this.fade = null;
    // Frames of this quantum that are filled
    this.done = 0;
    this.link = null;
    this.port.onmessage = ({ data }) => {
      if (data.kind === 'suspended') this.suspend(data.suspended);
      else {
        this.link = data.port;
        this.link.onmessage = (message) => this.take(message.data);
      }
    };
  }

  suspend(suspended) {
    this.suspended = suspended;
    while (suspended && this.cuts.length) this.cut();
  }

  take(data) {
    if (data.kind === 'play') {
      this.chunks.push({ epoch: this.arriving, samples: data.samples, at: 0 });
    } else if (data.kind === 'cut') {
      this.arriving++;
      this.cuts.push(data);
      if (this.suspended) this.suspend(true);
      else while (this.cuts.length && this.position >= this.cuts[0].stop) this.cut();
    } else if (data.kind === 'gain') {
      this.wanted = data.gain;
    } else if (data.kind === 'ping') {
      this.link.postMessage({ kind: 'pong', aux: data.aux, position: data.position });
    }
  }

  /** Carry out the oldest cut, here. */
  cut() {
    const { id, resume, fade } = this.cuts.shift();
    const stopped = this.position;
    if (fade) this.fade = { samples: this.next(fade), length: fade, at: 0, from: this.done };
    this.playing++;
    while (this.chunks.length && this.chunks[0].epoch < this.playing) this.chunks.shift();
    this.position = resume;
    this.link.postMessage({ kind: 'done', id, position: stopped });
  }

  /** A copy of the next frames that are held, as many as there are. */
  next(frames) {
    const found = new Int16Array(frames * this.channels);
    let filled = 0;
    for (const { epoch, samples, at } of this.chunks) {
      if (epoch !== this.playing || filled === found.length) break;
      const part = samples.subarray(at, at + found.length - filled);
      found.set(part, filled);
      filled += part.length;
    }
    return found.subarray(0, filled);
  }

  process(_, [output]) {
    const frames = output[0].length;
    let done = 0;
    while (done < frames) {
      this.done = done;
      if (this.cuts.length && this.position >= this.cuts[0].stop) {
        this.cut();
        continue;
      }
      const played = this.play(output, done, frames);
      if (!played) {
        // What was sent before the cut has been played: it ends here
        if (!this.cuts.length) break;
        this.cut();
        continue;
      }
      done += played;
    }
    this.done = 0;
    if (this.fade) this.tail(output, frames);
    this.ramp(output, frames);
    const dry = done < frames;
    if (dry && !this.dry) this.starved++;
    const changed = dry !== this.dry;
    this.dry = dry;
    this.quanta++;
    if (changed || this.quanta >= (dry ? QUANTA_PER_IDLE_REPORT : QUANTA_PER_REPORT)) this.report();
    return true;
  }

  play(output, done, frames) {
    const chunk = this.chunks[0];
    if (!chunk || chunk.epoch !== this.playing) return 0;
    const { channels } = this;
    const held = (chunk.samples.length - chunk.at) / channels;
    const limit = this.cuts.length ? this.cuts[0].stop - this.position : Infinity;
    const count = Math.min(frames - done, held, limit);
    for (let channel = 0; channel < output.length; channel++) {
      const to = output[channel];
      let from = chunk.at + Math.min(channel, channels - 1);
      for (let frame = 0; frame < count; frame++, from += channels) to[done + frame] = chunk.samples[from] * SCALE;
    }
    chunk.at += count * channels;
    if (chunk.at >= chunk.samples.length) this.chunks.shift();
    this.position += count;
    return count;
  }

  /** The end of what was cut, which falls to silence. */
  tail(output, frames) {
    const { channels, fade } = this;
    const held = fade.samples.length / channels;
    let frame = fade.from;
    fade.from = 0;
    for (; frame < frames && fade.at < held; frame++, fade.at++) {
      const level = (1 - (fade.at + 1) / (fade.length + 1)) * SCALE;
      for (let channel = 0; channel < output.length; channel++) {
        output[channel][frame] += fade.samples[fade.at * channels + Math.min(channel, channels - 1)] * level;
      }
    }
    if (fade.at >= held) this.fade = null;
  }

  ramp(output, frames) {
    if (this.gain === 1 && this.wanted === 1) return;
    const step = 1 / (GAIN_RAMP_SECONDS * sampleRate);
    for (let frame = 0; frame < frames; frame++) {
      const rest = this.wanted - this.gain;
      this.gain = Math.abs(rest) <= step ? this.wanted : this.gain + Math.sign(rest) * step;
      for (const channel of output) channel[frame] *= this.gain;
    }
  }

  report() {
    this.quanta = 0;
    this.link?.postMessage({ kind: 'report', position: this.position, starved: this.starved, dry: this.dry });
  }
}

registerProcessor('speaker', Speaker);
