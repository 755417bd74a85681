// The microphone where a browser has no track processor: collects chunks of mono int16 and gives them to the worker.

class Microphone extends AudioWorkletProcessor {
  constructor({ processorOptions: { chunk } }) {
    super();
    this.size = Math.round((sampleRate * chunk) / 1000);
    this.chunk = new Int16Array(this.size);
    this.filled = 0;
    this.link = null;
    this.port.onmessage = ({ data }) => {
      this.link = data.port;
    };
  }

  process([input]) {
    // No channel: the track has ended
    for (const sample of input[0] ?? []) {
      const within = Math.max(-1, Math.min(1, sample));
      this.chunk[this.filled++] = Math.trunc(within < 0 ? within * 32768 : within * 32767);
      if (this.filled === this.size) {
        this.link?.postMessage(this.chunk, [this.chunk.buffer]);
        this.chunk = new Int16Array(this.size);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor('microphone', Microphone);
