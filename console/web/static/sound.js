// The sound of the page: opens what the console asks for (HELLO), and joins it with the worker that owns the socket.
//
// The worker and the audio threads do the work, so a busy page does not disturb the sound. docs/remote-protocol.md says
// what they speak.

const VERSION = 1;
const NO_PROCESSING = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

export class Sound {
  /** Called with 'gesture', 'replaced' or '' when the page must ask its user for something. */
  onneed = () => {};
  /** Called when the list of devices, or what is said about them, has changed. */
  ondevices = () => {};
  /** Called with what is wrong with the microphone, or ''. */
  onproblem = () => {};
  /** What is wrong, for the user. */
  problem = '';
  #worker = new Worker('/sound-worker.js', { type: 'module' });
  #output = null;
  #input = null;
  #wanted = {};
  #chosen = { input: '', output: '' };
  #listed = [];
  #work = Promise.resolve();
  #waiting = [];
  #replay = null;

  /** A page with a device of its own gives the port of its link; else frames go over a socket. */
  constructor(link) {
    if (link) this.#worker.postMessage({ kind: 'link', port: link }, [link]);
    this.#worker.onmessage = ({ data }) => this.#take(data);
    for (const event of ['pointerdown', 'keydown']) addEventListener(event, () => this.wake(), { capture: true });
    navigator.mediaDevices?.addEventListener?.('devicechange', () => this.list());
    setInterval(() => this.#latency(), 1000);
    this.list();
  }

  /** Connect; the newest page has the sound. */
  open() {
    this.onneed('');
    this.#worker.postMessage({ kind: 'open', url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/sound` });
  }

  /** Start the clock, which a browser stops until its user does something. */
  wake() {
    for (const part of [this.#output, this.#input]) if (part?.context.state === 'suspended') part.context.resume().catch(() => {});
    if (this.#replay?.context.state === 'suspended') this.#replay.context.resume().catch(() => {});
  }

  /** Number of microphone frames that this page has sent, so that a release comes after all of them; 0 without one. */
  captured() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#worker.postMessage({ kind: 'captured' });
    });
  }

  /** What this page does about the microphone, in words. */
  get note() {
    const { echoCancellation } = this.#input?.settings ?? {};
    if (!this.#input) return '';
    return echoCancellation ? 'this browser cancels the echo' : 'this browser does not cancel the echo: use headphones';
  }

  devices(kind) {
    return this.#listed.filter((device) => device.kind === kind);
  }

  chosen(noun) {
    return this.#chosen[noun];
  }

  async list() {
    this.#listed = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    this.ondevices();
  }

  /** Use another device of this browser; '' is its default. */
  use(noun, id) {
    this.#chosen[noun] = id;
    this.#later(async () => {
      if (noun === 'output') await this.#output?.context.setSinkId?.(id);
      else if (this.#wanted.microphone) await this.#microphone();
      this.#opened();
    });
  }

  /** Ask for the microphone again, after the user has allowed it or plugged one in. */
  retry() {
    this.use('input', this.#chosen.input);
  }

  /** The AnalyserNodes of a side; an element that plays counts as loudspeaker. */
  analysers(side, element) {
    const part = side === 'speaker' ? this.#output : this.#input;
    const found = part?.analyser ? [part.analyser] : [];
    if (element && !element.paused) found.push(this.#analyse(element));
    return found;
  }

  #analyse(element) {
    if (!this.#replay) {
      const context = new AudioContext();
      const analyser = new AnalyserNode(context, { fftSize: 1024 });
      context.createMediaElementSource(element).connect(analyser).connect(context.destination);
      this.#replay = { context, analyser };
    }
    return this.#replay.analyser;
  }

  #take(data) {
    if (data.kind === 'captured') this.#waiting.shift()?.(data.position);
    else if (data.kind === 'hello') this.#later(() => this.#hello(data.hello));
    else if (data.kind === 'closed') this.#later(() => this.#closed(data));
  }

  // One after another: a HELLO that comes while devices open waits for them
  #later(work) {
    this.#work = this.#work.then(work).catch((error) => this.#fails(error));
  }

  #fails(error) {
    this.problem = `${error.name}: ${error.message}`;
    this.#worker.postMessage({ kind: 'opened', opened: { version: VERSION, error: this.problem } });
    this.ondevices();
  }

  async #hello(hello) {
    this.#wanted = hello;
    this.problem = '';
    if (hello.speaker?.stream !== this.#output?.stream) {
      this.#closeOutput();
      if (hello.speaker) await this.#openOutput(hello.speaker);
    }
    // The loudspeaker does not wait for a permission
    this.#opened();
    if (hello.microphone?.stream !== this.#input?.stream) {
      this.#closeInput();
      if (hello.microphone) {
        await this.#microphone();
        this.#opened();
        await this.list();
      }
    }
    this.ondevices();
  }

  /** Open the chosen microphone in place of the one that is open; say what is wrong. */
  async #microphone() {
    this.#closeInput();
    try {
      await this.#openInput(this.#wanted.microphone);
      this.problem = '';
    } catch (error) {
      this.problem = microphoneProblem(error);
    }
    this.onproblem(this.problem);
    this.ondevices();
  }

  #closed({ replaced }) {
    this.#closeOutput();
    this.#closeInput();
    this.#wanted = {};
    this.onproblem('');
    this.onneed(replaced ? 'replaced' : '');
  }

  async #openOutput({ stream, rate, channels, window, gain }) {
    // Frames of the context are samples of the session, so that positions need no conversion
    const context = new AudioContext({ sampleRate: rate, latencyHint: 'interactive' });
    await context.audioWorklet.addModule('/speaker-worklet.js');
    const node = new AudioWorkletNode(context, 'speaker', {
      numberOfInputs: 0,
      outputChannelCount: [channels],
      processorOptions: { channels, window, gain },
    });
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    node.connect(analyser).connect(context.destination);
    if (this.#chosen.output) await context.setSinkId?.(this.#chosen.output);
    this.#output = { context, analyser, node, stream };
    const { port1, port2 } = new MessageChannel();
    node.port.postMessage({ kind: 'port', port: port1 }, [port1]);
    this.#worker.postMessage({ kind: 'speaker', stream, channels, port: port2 }, [port2]);
    const changed = () => {
      node.port.postMessage({ kind: 'suspended', suspended: context.state !== 'running' });
      this.#opened();
      // A context that a gesture has allowed runs within this time
      setTimeout(() => this.#ask(), 400);
    };
    context.onstatechange = changed;
    changed();
  }

  #closeOutput() {
    if (!this.#output) return;
    const { context, node } = this.#output;
    this.#output = null;
    context.onstatechange = null;
    node.disconnect();
    this.#worker.postMessage({ kind: 'speaker', stream: 0 });
    context.close();
    this.onneed('');
  }

  async #openInput({ stream, chunk_ms: chunk = 10, ...wanted }) {
    if (!navigator.mediaDevices) throw new Error('browsers give a microphone only to https pages and to 127.0.0.1');
    const constraints = {
      echoCancellation: wanted.echo_cancellation ?? true,
      noiseSuppression: wanted.noise_suppression ?? true,
      autoGainControl: wanted.auto_gain_control ?? true,
    };
    const audio = this.#chosen.input ? { ...constraints, deviceId: { exact: this.#chosen.input } } : constraints;
    const media = await navigator.mediaDevices.getUserMedia({ audio });
    const [track] = media.getAudioTracks();
    // Firefox joins only what has the rate of the microphone, so this context has no rate of its own
    const context = new AudioContext();
    const source = context.createMediaStreamSource(media);
    const analyser = new AnalyserNode(context, { fftSize: 1024 });
    source.connect(analyser);
    const settings = { ...NO_PROCESSING, ...track.getSettings() };
    this.#input = { context, analyser, media, stream, settings, name: track.label };
    track.onended = () => this.#later(() => this.#reopenInput(stream));
    if ('MediaStreamTrackProcessor' in globalThis) {
      const { readable } = new MediaStreamTrackProcessor({ track });
      this.#worker.postMessage({ kind: 'track', stream, chunk, readable }, [readable]);
    } else {
      await context.audioWorklet.addModule('/microphone-worklet.js');
      const node = new AudioWorkletNode(context, 'microphone', { numberOfOutputs: 0, processorOptions: { chunk } });
      source.connect(node);
      const { port1, port2 } = new MessageChannel();
      node.port.postMessage({ port: port1 }, [port1]);
      this.#worker.postMessage({ kind: 'microphone', stream, rate: context.sampleRate, port: port2 }, [port2]);
      this.#input.node = node;
    }
  }

  // A headset that was pulled out: the default takes its place
  async #reopenInput(stream) {
    if (this.#input?.stream !== stream) return;
    this.#chosen.input = '';
    await this.#microphone();
    this.#opened();
  }

  #closeInput() {
    if (!this.#input) return;
    const { context, media, node } = this.#input;
    this.#input = null;
    // A worklet goes on sending silence after the end of its track
    node?.disconnect();
    this.#worker.postMessage({ kind: 'microphone', stream: 0 });
    for (const track of media.getTracks()) {
      track.onended = null;
      track.stop();
    }
    context.close();
  }

  /** Tell the console what is open. The worker adds the microphone's rate, which the first sound shows. */
  #opened() {
    const output = this.#output;
    const suspended = output !== null && output.context.state !== 'running';
    if (!suspended) this.onneed('');
    this.#worker.postMessage({
      kind: 'opened',
      opened: {
        version: VERSION,
        name: browserName(),
        speaker: output && { stream: output.stream, latency: latency(output.context), suspended, name: 'this page' },
        microphone: this.#input && {
          stream: this.#input.stream,
          latency: this.#input.settings.latency ?? 0,
          name: this.#input.name,
          echo_cancellation: Boolean(this.#input.settings.echoCancellation),
        },
        ...(this.problem ? { note: this.problem } : {}),
      },
    });
  }

  /** Ask for a gesture if the clock of the loudspeaker stands still. */
  #ask() {
    if (this.#output && this.#output.context.state !== 'running') this.onneed('gesture');
  }

  #latency() {
    if (this.#output) this.#worker.postMessage({ kind: 'latency', seconds: latency(this.#output.context) });
  }
}

/** Seconds from the worklet to the ear. Safari lacks one of the two. */
const latency = (context) => (context.outputLatency || 0) + (context.baseLatency || 0);

function microphoneProblem(error) {
  if (error.name === 'NotAllowedError') return 'the microphone is not allowed: allow it beside the address of the page, then connect again; typing works';
  if (error.name === 'NotFoundError') return 'this browser has no microphone; typing works';
  return `no microphone: ${error.message}; typing works`;
}

function browserName() {
  const brand = navigator.userAgentData?.brands?.find(({ brand: name }) => !/not.?a.?brand/i.test(name));
  return brand ? `${brand.brand} ${brand.version}` : (/(Firefox|Version)\/[\d.]+/.exec(navigator.userAgent)?.[0] ?? 'browser');
}
