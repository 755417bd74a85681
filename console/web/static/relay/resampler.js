// Resamples mono int16 as it comes: a windowed sinc, whose state crosses the chunks.

const HALF = 24;
const PHASES = 128;

export class Resampler {
  constructor(rate, wanted) {
    this.rate = rate;
    this.step = rate / wanted;
    const cutoff = Math.min(1, 0.92 / this.step);
    this.taps = Float32Array.from({ length: (2 * HALF * PHASES) + 1 }, (_, index) => {
      const at = index / PHASES - HALF;
      const x = Math.PI * at * cutoff;
      const sinc = x === 0 ? 1 : Math.sin(x) / x;
      return cutoff * sinc * (0.5 + 0.5 * Math.cos((Math.PI * at) / HALF));
    });
    this.kept = new Float32Array(2 * HALF);
    // Of the next sample, in the input that is kept
    this.at = HALF;
  }

  /** The samples that are complete with this chunk. */
  process(chunk) {
    if (this.step === 1) return chunk;
    const input = new Float32Array(this.kept.length + chunk.length);
    input.set(this.kept);
    input.set(chunk, this.kept.length);
    const found = [];
    for (; this.at + HALF < input.length; this.at += this.step) {
      const first = Math.ceil(this.at - HALF);
      let sum = 0;
      for (let index = first; index <= this.at + HALF; index++) {
        sum += input[index] * this.taps[Math.round((this.at - index + HALF) * PHASES)];
      }
      found.push(Math.max(-32768, Math.min(32767, Math.round(sum))));
    }
    const from = Math.floor(this.at) - HALF;
    this.kept = input.slice(from);
    this.at -= from;
    return Int16Array.from(found);
  }
}
