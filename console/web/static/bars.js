// Two spectra as ten bars each, drawn from the page's own analysers: no byte of them goes over the network.

const BANDS = 10;
const LOWEST = 80;
const HIGHEST = 4000;
const FALL = 0.88;

export class Bars {
  #canvas;
  #source;
  #levels = new Float32Array(BANDS);
  #bins = new Uint8Array(0);

  /** @param source gives the AnalyserNodes that sound now */
  constructor(canvas, source) {
    this.#canvas = canvas;
    this.#source = source;
  }

  /** Draw; true if anything moves. */
  draw() {
    const target = new Float32Array(BANDS);
    for (const analyser of this.#source()) this.#measure(analyser, target);
    let moves = false;
    for (let band = 0; band < BANDS; band++) {
      const level = Math.max(target[band], this.#levels[band] * FALL);
      const next = level < 0.01 ? 0 : level;
      moves ||= next !== this.#levels[band];
      this.#levels[band] = next;
    }
    if (moves || !this.#canvas.dataset.drawn) this.#paint();
    return moves;
  }

  #measure(analyser, target) {
    if (this.#bins.length !== analyser.frequencyBinCount) this.#bins = new Uint8Array(analyser.frequencyBinCount);
    analyser.getByteFrequencyData(this.#bins);
    const width = analyser.context.sampleRate / 2 / this.#bins.length;
    for (let band = 0; band < BANDS; band++) {
      const from = Math.floor((LOWEST * (HIGHEST / LOWEST) ** (band / BANDS)) / width);
      const to = Math.max(Math.ceil((LOWEST * (HIGHEST / LOWEST) ** ((band + 1) / BANDS)) / width), from + 1);
      for (let bin = from; bin < to && bin < this.#bins.length; bin++) target[band] = Math.max(target[band], this.#bins[bin] / 255);
    }
  }

  #paint() {
    const canvas = this.#canvas;
    const paint = canvas.getContext('2d');
    canvas.dataset.drawn = 'yes';
    paint.clearRect(0, 0, canvas.width, canvas.height);
    paint.fillStyle = getComputedStyle(canvas).color;
    const step = canvas.width / BANDS;
    const wide = step * 0.6;
    this.#levels.forEach((level, band) => {
      const high = Math.max(level * canvas.height, wide / 3);
      paint.globalAlpha = level ? 1 : 0.35;
      paint.beginPath();
      paint.roundRect(band * step + (step - wide) / 2, canvas.height - high, wide, high, wide / 3);
      paint.fill();
    });
  }
}

/** Draw all bars with the frames of the screen; a hidden page draws nothing. */
export function run(all) {
  const frame = () => {
    for (const bars of all) bars.draw();
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => all.forEach((bars) => bars.draw()));
}
