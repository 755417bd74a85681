// The notebook's side of wavtools.notebook(): a peer of docs/remote-protocol.md whose wire is the widget's channel.
//
// WORKLET runs on the audio thread; it has no imports, because it is loaded from a Blob.

export const WORKLET = `
class Speaker extends AudioWorkletProcessor {
  constructor({ processorOptions: { channels, gain } }) {
    super();
    Object.assign(this, { channels, gain, wanted: gain, chunks: [], cuts: [], position: 0, end: 0 });
    Object.assign(this, { starved: 0, dry: true, quanta: 0, tail: null, closed: false, suspended: false });
    this.port.onmessage = ({ data }) => this.take(data);
  }
  take(data) {
    if (data.kind === 'play') {
      this.chunks.push({ start: this.end, samples: data.samples });
      this.end += data.samples.length / this.channels;
    } else if (data.kind === 'cut') {
      this.cuts.push(data);
      this.end = data.resume;
      this.carryOut();
    } else if (data.kind === 'gain') this.wanted = data.gain;
    else if (data.kind === 'ping') this.port.postMessage({ ...data, kind: 'pong' });
    else if (data.kind === 'suspended') { this.suspended = data.suspended; this.carryOut(); }
    else if (data.kind === 'close') this.closed = true;
  }
  // Cuts whose place has come; a suspended clock stops at once.
  carryOut() {
    while (this.cuts.length && (this.suspended || this.position >= this.cuts[0].stop)) {
      const { number, resume, fade } = this.cuts.shift();
      if (fade) this.tail = { samples: this.held(this.position, Math.min(this.position + fade, resume)), at: 0, length: fade };
      this.port.postMessage({ kind: 'done', number, position: this.position });
      this.position = resume;
      this.chunks = this.chunks.filter(({ start }) => start >= resume);
    }
  }
  held(first, last) {
    const found = [];
    for (const { start, samples } of this.chunks) {
      const from = Math.max(0, first - start) * this.channels, to = Math.max(0, last - start) * this.channels;
      for (const sample of samples.subarray(from, to)) found.push(sample);
    }
    return found;
  }
  process(inputs, [output]) {
    const frames = output[0].length;
    let done = 0;
    this.carryOut();
    while (done < frames && this.chunks.length) {
      const { start, samples } = this.chunks[0], { channels } = this;
      const limit = this.cuts.length ? this.cuts[0].stop - this.position : Infinity;
      const count = Math.min(frames - done, start + samples.length / channels - this.position, limit);
      if (count <= 0) break;
      for (let i = 0; i < count; i++)
        for (let c = 0; c < output.length; c++)
          output[c][done + i] = samples[(this.position - start + i) * channels + Math.min(c, channels - 1)] / 32768;
      this.position += count;
      done += count;
      if (this.position >= start + samples.length / channels) this.chunks.shift();
      this.carryOut();
    }
    this.fadeOut(output, done, frames);
    this.ramp(output, frames);
    this.report(done < frames);
    return !this.closed;
  }
  fadeOut(output, from, frames) {
    const { tail, channels } = this;
    if (!tail) return;
    for (let i = from; i < frames && tail.at * channels < tail.samples.length; i++, tail.at++)
      for (let c = 0; c < output.length; c++)
        output[c][i] += (tail.samples[tail.at * channels + Math.min(c, channels - 1)] / 32768) * (1 - tail.at / tail.length);
    if (tail.at * channels >= tail.samples.length) this.tail = null;
  }
  ramp(output, frames) {
    if (this.gain === 1 && this.wanted === 1) return;
    const step = 1 / (0.01 * sampleRate);
    for (let i = 0; i < frames; i++) {
      const rest = this.wanted - this.gain;
      this.gain = Math.abs(rest) <= step ? this.wanted : this.gain + Math.sign(rest) * step;
      for (const channel of output) channel[i] *= this.gain;
    }
  }
  report(dry) {
    const changed = dry !== this.dry;
    if (dry && changed) this.starved++;
    this.dry = dry;
    // About 16 ms while it plays, and 100 ms while it does not
    const due = (dry ? 0.1 : 0.016) * sampleRate / 128;
    if (!changed && ++this.quanta < due) return;
    this.quanta = 0;
    this.port.postMessage({ kind: 'report', position: this.position, starved: this.starved, dry });
  }
}
class Microphone extends AudioWorkletProcessor {
  constructor({ processorOptions: { chunk } }) {
    super();
    Object.assign(this, { size: Math.round(sampleRate * chunk / 1000), filled: 0, closed: false });
    this.samples = new Int16Array(this.size);
    this.port.onmessage = () => { this.closed = true; };
  }
  process([input]) {
    for (const x of input[0] ?? []) {
      this.samples[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(x * 32768)));
      if (this.filled < this.size) continue;
      this.port.postMessage(this.samples, [this.samples.buffer]);
      this.samples = new Int16Array(this.size);
      this.filled = 0;
    }
    return !this.closed;
  }
}
registerProcessor('wavtools-speaker', Speaker);
registerProcessor('wavtools-microphone', Microphone);
`;

const HELLO = 1, OPENED = 2, PLAY = 3, CUT = 4, CUT_DONE = 5, REPORT = 6, PING = 7, PONG = 8, MIC = 9, GAIN = 10, BYE = 11;
const HEAD = 16;
// The channel of a notebook takes 50 messages a second more easily than 100.
const LEAST_CHUNK_MS = 20;

function frame(type, { flags = 0, stream = 0, aux = 0, position = 0 }, payload = new Uint8Array()) {
  const bytes = new Uint8Array(HEAD + payload.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint8(1, flags);
  view.setUint16(2, stream, true);
  view.setUint32(4, aux, true);
  view.setFloat64(8, position, true);
  bytes.set(new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength), HEAD);
  return bytes.buffer;
}

class Peer {
  constructor(send, status) {
    this.send = send;
    this.status = status;
    this.speaker = this.microphone = null;
    this.work = Promise.resolve();
    this.ended = false;
  }

  /** A frame of the host: a DataView. */
  take(view) {
    const type = view.getUint8(0), stream = view.getUint16(2, true), aux = view.getUint32(4, true), position = view.getFloat64(8, true);
    const payload = new Uint8Array(view.buffer, view.byteOffset + HEAD, view.byteLength - HEAD);
    const port = this.speaker?.node?.port;
    if (type === HELLO) {
      const hello = JSON.parse(new TextDecoder().decode(payload));
      // One after another, because opening takes time.
      this.work = this.work.then(() => this.hello(hello)).catch((error) => this.status(String(error)));
    } else if (type === BYE) {
      this.end(new TextDecoder().decode(payload));
    } else if (type === PING) {
      if (port) port.postMessage({ kind: 'ping', aux, position });
      else this.send(frame(PONG, { aux, position }));
    } else if (port && stream === this.speaker.stream) {
      if (type === PLAY) port.postMessage({ kind: 'play', samples: new Int16Array(payload.slice().buffer) });
      else if (type === CUT)
        port.postMessage({ kind: 'cut', number: aux, stop: position, resume: view.getFloat64(16, true), fade: view.getUint32(24, true) });
      else if (type === GAIN) port.postMessage({ kind: 'gain', gain: position });
    }
  }

  async hello({ speaker, microphone }) {
    if (speaker?.stream !== this.speaker?.stream) {
      this.speaker?.close?.();
      this.speaker = speaker && (await attempt(speaker, () => this.openSpeaker(speaker)));
    }
    this.opened();
    if (microphone?.stream !== this.microphone?.stream) {
      this.microphone?.close?.();
      this.microphone = microphone && (await attempt(microphone, () => this.openMicrophone(microphone)));
      this.opened();
    }
  }

  async openSpeaker({ stream, rate, channels, gain }) {
    const context = new AudioContext({ sampleRate: rate });
    await loadWorklet(context);
    const node = new AudioWorkletNode(context, 'wavtools-speaker', {
      numberOfInputs: 0,
      outputChannelCount: [channels],
      processorOptions: { channels, gain },
    });
    node.connect(context.destination);
    node.port.onmessage = ({ data }) => {
      if (data.kind === 'report')
        this.send(frame(REPORT, { flags: Number(data.dry), stream, aux: data.starved, position: data.position }, new Float64Array([latencyOf(context)])));
      else if (data.kind === 'done') this.send(frame(CUT_DONE, { stream, aux: data.number, position: data.position }));
      else if (data.kind === 'pong') this.send(frame(PONG, { aux: data.aux, position: data.position }));
    };
    context.onstatechange = () => {
      node.port.postMessage({ kind: 'suspended', suspended: context.state !== 'running' });
      this.opened();
    };
    context.resume();
    const close = () => {
      context.onstatechange = null;
      node.port.postMessage({ kind: 'close' });
      context.close();
    };
    return { stream, context, node, close };
  }

  async openMicrophone({ stream, chunk_ms: chunk, ...wanted }) {
    if (!navigator.mediaDevices) throw new Error('browsers give a microphone only to https pages and to localhost');
    const media = await navigator.mediaDevices.getUserMedia({
      audio: {
        echoCancellation: wanted.echo_cancellation,
        noiseSuppression: wanted.noise_suppression,
        autoGainControl: wanted.auto_gain_control,
      },
    });
    const [track] = media.getAudioTracks();
    const context = new AudioContext();
    await loadWorklet(context);
    const node = new AudioWorkletNode(context, 'wavtools-microphone', {
      numberOfOutputs: 0,
      processorOptions: { chunk: Math.max(chunk ?? 10, LEAST_CHUNK_MS) },
    });
    context.createMediaStreamSource(media).connect(node);
    let position = 0;
    node.port.onmessage = ({ data }) => {
      this.send(frame(MIC, { stream, position }, data));
      position += data.length;
    };
    context.resume();
    const close = () => {
      node.port.postMessage('close');
      track.stop();
      context.close();
    };
    const { echoCancellation, latency } = track.getSettings();
    return { stream, rate: context.sampleRate, latency, name: track.label, echo: Boolean(echoCancellation), context, close };
  }

  opened() {
    if (this.ended) return;
    const { speaker, microphone } = this;
    const suspended = Boolean(speaker?.context && speaker.context.state !== 'running');
    const content = {
      version: 1,
      name: 'notebook',
      speaker: speaker && { stream: speaker.stream, latency: speaker.context ? latencyOf(speaker.context) : 0, suspended, error: speaker.error },
      microphone: microphone && {
        stream: microphone.stream,
        rate: microphone.rate,
        channels: 1,
        latency: microphone.latency ?? 0,
        name: microphone.name,
        echo_cancellation: microphone.echo,
        error: microphone.error,
      },
    };
    this.send(frame(OPENED, { aux: 1 }, new TextEncoder().encode(JSON.stringify(content))));
    const problem = speaker?.error ?? microphone?.error;
    if (problem) this.status(problem);
    else if (suspended) this.status('click to start the sound', true);
    else this.status(microphone ? 'loudspeaker and microphone' : speaker ? 'loudspeaker' : 'no sound is wanted now');
  }

  /** After a click: browsers start no sound before. */
  wake() {
    this.speaker?.context?.resume();
    this.microphone?.context?.resume();
  }

  end(reason) {
    this.ended = true;
    this.speaker?.close?.();
    this.microphone?.close?.();
    this.speaker = this.microphone = null;
    this.status(reason || 'ended');
  }
}

const attempt = (wish, open) => open().catch((error) => ({ stream: wish.stream, error: `${error.name}: ${error.message}` }));
const latencyOf = (context) => (context.outputLatency || 0) + (context.baseLatency || 0);

async function loadWorklet(context) {
  const url = URL.createObjectURL(new Blob([WORKLET], { type: 'text/javascript' }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

function initialize({ model }) {
  const status = (text, needsClick = false) => {
    model.set('status', text);
    model.set('needs_click', needsClick);
    model.save_changes();
  };
  const peer = new Peer((buffer) => model.send({ kind: 'frame' }, undefined, [buffer]), status);
  const take = (content, buffers) => {
    if (content.kind === 'frame') peer.take(buffers[0]);
  };
  const wake = () => peer.wake();
  model.on('msg:custom', take);
  globalThis.addEventListener('pointerdown', wake);
  model.send({ kind: 'open' });
  return () => {
    model.off('msg:custom', take);
    globalThis.removeEventListener('pointerdown', wake);
    peer.end('');
  };
}

function render({ model, el }) {
  const line = document.createElement('div');
  line.setAttribute('role', 'status');
  const draw = () => {
    line.textContent = `${model.get('needs_click') ? '▶' : '●'} wavtools: ${model.get('status')}`;
    line.style.cursor = model.get('needs_click') ? 'pointer' : 'default';
  };
  model.on('change:status', draw);
  model.on('change:needs_click', draw);
  draw();
  el.append(line);
  return () => {
    model.off('change:status', draw);
    model.off('change:needs_click', draw);
  };
}

export default { initialize, render };
