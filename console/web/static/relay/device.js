// The device of a page that speaks to a relay: what wavtools.RemoteDevice is to a console, in the page itself. It speaks
// the frames of docs/remote-protocol.md with the sound worker, over a port, and has microphone and loudspeaker at 24 kHz.

import { CUT, CUT_DONE, HEAD, HELLO, MIC, OPENED, PLAY, REPORT, frame, parse, sound, text } from './frames.js';
import { Resampler } from './resampler.js';

export const RATE = 24_000;
const FADE_FRAMES = RATE / 100;
const VERSION = 1;

export class Device {
  /** Called with Int16Arrays of the microphone. */
  onsound = () => {};
  /** Called with the number of frames that were played. */
  onposition = () => {};
  /** Frames given to the loudspeaker, and frames that it has played. */
  handed = 0;
  position = 0;
  #port;
  #stream = 0;
  #open = false;
  #cuts = new Map();
  #number = 0;
  #resampler = null;

  constructor(port) {
    this.#port = port;
    port.onmessage = ({ data }) => (data === 'open' ? this.#hello() : this.#take(parse(data)));
  }

  /** Open microphone and loudspeaker, or close them. */
  use(open) {
    this.#open = open;
    if (open) this.#stream++;
    this.handed = this.position = 0;
    this.#resampler = null;
    for (const settle of this.#cuts.values()) settle(0);
    this.#cuts.clear();
    this.#hello();
  }

  play(samples) {
    if (!this.#open) return;
    this.#send(sound(PLAY, { stream: this.#stream, position: this.handed }, samples));
    this.handed += samples.length;
  }

  /** Stop at once, and drop what was handed; the promise gives the position at which the page stopped. */
  cut() {
    const aux = ++this.#number;
    const { bytes, view } = frame(CUT, { stream: this.#stream, aux, position: 0 }, 12);
    view.setFloat64(HEAD, this.handed, true);
    view.setUint32(HEAD + 8, FADE_FRAMES, true);
    this.#send(bytes);
    return new Promise((resolve) => this.#cuts.set(aux, resolve));
  }

  #hello() {
    const stream = this.#stream;
    const hello = {
      version: VERSION,
      speaker: this.#open ? { stream, rate: RATE, channels: 1, window: RATE, gain: 1 } : null,
      microphone: this.#open ? { stream, chunk_ms: 10 } : null,
    };
    this.#send(text(HELLO, VERSION, JSON.stringify(hello)));
  }

  #send(bytes) {
    this.#port.postMessage(bytes.buffer, [bytes.buffer]);
  }

  #take({ type, stream, aux, position, buffer }) {
    if (type === OPENED) {
      const { microphone } = JSON.parse(new TextDecoder().decode(buffer.slice(HEAD)));
      if (microphone && this.#resampler?.rate !== microphone.rate) this.#resampler = new Resampler(microphone.rate, RATE);
    } else if (stream !== this.#stream) {
      return;
    } else if (type === MIC && this.#resampler) {
      this.onsound(this.#resampler.process(new Int16Array(buffer.slice(HEAD))));
    } else if (type === REPORT) {
      this.position = position;
      this.onposition(position);
    } else if (type === CUT_DONE) {
      this.position = this.handed;
      this.#cuts.get(aux)?.(position);
      this.#cuts.delete(aux);
    }
  }
}
