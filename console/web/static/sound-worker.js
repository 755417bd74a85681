// Owns the socket of the sound. Loudspeaker and microphone are joined to it by ports, so the page's main thread, however
// busy, has no part in it.

import { BYE, CUT, CUT_DONE, GAIN, HEAD, HELLO, MIC, OPENED, PING, PLAY, PONG, REPORT, frame, parse, sound, text } from './frames.js';

const VERSION = 1;
const RETRY_MS = [200, 500, 1000, 2000, 4000];
const REPLACED = 1;

let socket = null;
// In place of a socket: the device that the page has itself, as behind a relay
let link = null;
let url = '';
let failures = 0;
let replaced = false;
let latency = 0;
let last = null;
const speaker = { stream: 0, channels: 1, port: null };
const microphone = { stream: 0, rate: 0, position: 0, told: false, port: null, reader: null };

onmessage = ({ data }) => COMMANDS[data.kind](data);

const COMMANDS = {
  link({ port }) {
    link = port;
    link.onmessage = ({ data }) => take(data);
  },
  open(data) {
    url = data.url;
    replaced = false;
    connect();
  },
  opened({ opened }) {
    last = opened;
    tell();
  },
  speaker({ stream, channels, port }) {
    speaker.port?.close();
    Object.assign(speaker, { stream, channels, port: port ?? null });
    if (port) port.onmessage = ({ data }) => fromSpeaker(stream, data);
  },
  // A port that gives chunks, or none: the microphone is closed
  microphone({ stream, rate, port }) {
    stopMicrophone();
    Object.assign(microphone, { stream, port: port ?? null });
    if (!port) return;
    port.onmessage = ({ data }) => capture(stream, rate, data);
  },
  track({ stream, chunk, readable }) {
    stopMicrophone();
    microphone.stream = stream;
    read(stream, chunk, readable);
  },
  captured() {
    postMessage({ kind: 'captured', position: microphone.stream ? microphone.position : 0 });
  },
  latency({ seconds }) {
    latency = seconds;
  },
};

function connect() {
  if (link) {
    link.postMessage('open');
    return;
  }
  socket?.close();
  const mine = new WebSocket(url);
  socket = mine;
  mine.binaryType = 'arraybuffer';
  mine.onopen = () => {
    failures = 0;
  };
  mine.onmessage = ({ data }) => {
    if (mine === socket && data instanceof ArrayBuffer) take(data);
  };
  mine.onclose = () => {
    if (mine !== socket) return;
    socket = null;
    last = null;
    postMessage({ kind: 'closed', replaced });
    if (!replaced) setTimeout(() => socket ?? connect(), RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  };
}

function send(bytes) {
  link?.postMessage(bytes.buffer, [bytes.buffer]);
  if (socket?.readyState === WebSocket.OPEN) socket.send(bytes);
}

function take(buffer) {
  const given = parse(buffer);
  if (!given) return;
  const { type, stream, aux, position, view } = given;
  if (type === HELLO) {
    const hello = JSON.parse(new TextDecoder().decode(buffer.slice(HEAD)));
    if (hello.version !== VERSION) send(text(BYE, 3, 'this page speaks version 1; reload it'));
    else postMessage({ kind: 'hello', hello });
  } else if (type === BYE) {
    replaced = aux === REPLACED;
    socket.close();
  } else if (type === PING) {
    // The audio thread answers, so that its delay counts too
    if (speaker.port) speaker.port.postMessage({ kind: 'ping', aux, position });
    else send(frame(PONG, { aux, position }).bytes);
  } else if (speaker.port && stream === speaker.stream) {
    if (type === PLAY) {
      const samples = new Int16Array(buffer.slice(HEAD));
      speaker.port.postMessage({ kind: 'play', position, samples }, [samples.buffer]);
    } else if (type === CUT) {
      speaker.port.postMessage({ kind: 'cut', id: aux, stop: position, resume: view.getFloat64(16, true), fade: view.getUint32(24, true) });
    } else if (type === GAIN) {
      speaker.port.postMessage({ kind: 'gain', gain: position });
    }
  }
}

function fromSpeaker(stream, data) {
  if (stream !== speaker.stream) return;
  if (data.kind === 'report') {
    const { bytes, view } = frame(REPORT, { flags: data.dry ? 1 : 0, stream, aux: data.starved, position: data.position }, 8);
    view.setFloat64(HEAD, latency, true);
    send(bytes);
  } else if (data.kind === 'done') {
    send(frame(CUT_DONE, { stream, aux: data.id, position: data.position }).bytes);
  } else if (data.kind === 'pong') {
    send(frame(PONG, { aux: data.aux, position: data.position }).bytes);
  }
}

// The microphone

function stopMicrophone() {
  microphone.port?.close();
  microphone.reader?.cancel().catch(() => {});
  Object.assign(microphone, { stream: 0, rate: 0, position: 0, told: false, port: null, reader: null });
  // Another microphone begins with position 0: the console must know that this one has ended
  tell();
}

/** Send a chunk of mono int16. The first one shows the rate, and OPENED says it. */
function capture(stream, rate, samples) {
  if (stream !== microphone.stream) return;
  if (rate !== microphone.rate) {
    Object.assign(microphone, { rate, told: false });
    tell();
  }
  if (!microphone.told) return;
  send(sound(MIC, { stream, aux: Date.now() % 2 ** 32, position: microphone.position }, samples));
  microphone.position += samples.length;
}

async function read(stream, chunkMs, readable) {
  const reader = readable.getReader();
  microphone.reader = reader;
  let chunk = null;
  let filled = 0;
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done || stream !== microphone.stream || reader !== microphone.reader) {
      value?.close();
      return;
    }
    const rate = value.sampleRate;
    const size = Math.round((rate * chunkMs) / 1000);
    const samples = new Float32Array(value.numberOfFrames);
    value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
    value.close();
    for (const sample of samples) {
      if (!chunk || chunk.length !== size) {
        chunk = new Int16Array(size);
        filled = 0;
      }
      chunk[filled++] = pcm16(sample);
      if (filled === size) {
        capture(stream, rate, chunk);
        chunk = null;
      }
    }
  }
}

/** As wavtools does it: below zero times 32768, above times 32767, toward zero. */
function pcm16(sample) {
  const within = Math.max(-1, Math.min(1, sample));
  return Math.trunc(within < 0 ? within * 32768 : within * 32767);
}

/** OPENED: what the page has opened, with the microphone once its rate is known. */
function tell() {
  if (!last) return;
  const known = last.microphone && microphone.stream === last.microphone.stream && microphone.rate;
  // Positions begin where the console hears of the microphone
  if (known && !microphone.told) microphone.position = 0;
  microphone.told = Boolean(known);
  const opened = last.error ? last : { ...last, microphone: known ? { ...last.microphone, rate: microphone.rate, channels: 1 } : null };
  send(text(OPENED, VERSION, JSON.stringify(opened)));
}
