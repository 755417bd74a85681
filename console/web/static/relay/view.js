// The view of a page behind a relay: there is no console, so the page itself is the client of the Realtime API. It shows
// the same panes by the same messages, and takes the same verbs; tools, instructions and key are the relay's.

import { Book, now, wav } from './book.js';
import { Device, RATE } from './device.js';

const PATH = '/v1/realtime';
const token = new URLSearchParams(location.search).get('token');
// How often the part of an answer that was heard is shown
const SHOW_MS = 100;
const NOT_HERE = 'this page has no console behind it, so there is nothing to save here';

export class View extends EventTarget {
  offset = 0;
  /** The port over which the sound worker reaches the device of this page. */
  link;
  #book = new Book((changes) => this.#tell('change', changes));
  #device;
  #socket = null;
  // What was handed to the loudspeaker: {item, begin, end} in positions of the device
  #tracks = [];
  #released = 0;
  // Sound of an answer that was cancelled is on its way
  #deaf = false;
  #turns = 0;
  #shown = 0;

  constructor() {
    super();
    const { port1, port2 } = new MessageChannel();
    this.link = port1;
    this.#device = new Device(port2);
    this.#device.onsound = (samples) => this.#hear(samples);
    this.#device.onposition = (position) => this.#played(position);
    this.#why();
  }

  get head() {
    return this.#book.head;
  }

  open() {
    this.#tell('link', { open: true });
    this.#tell('change', { head: this.head, fresh: true });
  }

  do(verb, values = {}) {
    this.ask(verb, values).catch((error) => this.#book.notice('error', error.message));
    return true;
  }

  async ask(verb, values = {}) {
    return this[`_${verb}`] ? this[`_${verb}`](values) : undefined;
  }

  /** The audio of an item, for the replay. */
  audio = async (id) => {
    const item = this.#book.items.get(id);
    return item?.received ? new Response(wav(item)) : new Response(null, { status: 404 });
  };

  // Verbs

  _connect() {
    if (this.#socket) return;
    this.#book.set({ state: 'connecting' });
    this.#device.use(true);
    const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${PATH}`;
    const socket = new WebSocket(address, token ? ['realtime', `openai-insecure-api-key.${token}`] : ['realtime']);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      this.#book.event('server', event);
      EVENTS[event.type]?.call(this, event);
    };
    socket.onclose = ({ code, reason }) => {
      if (this.#socket !== socket) return;
      const why = reason || (this.head.state === 'connecting' ? 'the relay does not let this page in: is its token right?' : `code ${code}`);
      this.#end();
      this.#book.notice('error', `the connection has ended: ${why}`);
    };
  }

  _disconnect() {
    const socket = this.#socket;
    this.#end();
    socket?.close(1000);
    this.#book.notice('info', 'disconnected');
  }

  async _talk() {
    if (this.head.why_not.talk) throw new Error(this.head.why_not.talk);
    this.#talk({ active: true, since: now() });
    this.#send({ type: 'input_audio_buffer.clear' });
    await this._interrupt();
  }

  _release() {
    if (!this.head.talk.active) return;
    this.#talk({ active: false, since: now() });
    this.#released = now();
    this.#send({ type: 'input_audio_buffer.commit' });
    this.#send({ type: 'response.create' });
  }

  _cancel() {
    if (!this.head.talk.active) return;
    this.#talk({ active: false, since: now() });
    this.#send({ type: 'input_audio_buffer.clear' });
  }

  _mode({ mode }) {
    this.#talk({ mode, active: false });
    if (this.#socket) this.#configure();
    this.#why();
  }

  async _text({ text }) {
    if (this.head.state !== 'connected') return this.#refuse('connect first');
    await this._interrupt();
    this.#released = now();
    this.#send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] } });
    this.#send({ type: 'response.create' });
    return true;
  }

  #refuse(why) {
    this.#book.notice('error', why);
    return false;
  }

  /** Stop the answer; the server is told how much of it the page has played. */
  async _interrupt() {
    if (this.head.answering) {
      this.#send({ type: 'response.cancel' });
      this.#deaf = true;
    }
    const tracks = this.#tracks;
    this.#tracks = [];
    if (!tracks.length || this.#device.position >= this.#device.handed) return;
    const stopped = await this.#device.cut();
    this.#book.playing(null);
    this.#book.set({ phase: 'cut' });
    const parts = new Map();
    for (const { item, begin, end } of tracks) {
      parts.set(item, (parts.get(item) ?? 0) + Math.max(0, Math.min(end, stopped) - begin));
    }
    for (const [item, heard] of parts) {
      if (heard >= item.received && item.status === 'completed') continue;
      this.#book.show(item, { heard, heard_chars: chars(item, heard), status: 'incomplete', lit: null });
      this.#send({ type: 'conversation.item.truncate', item_id: item.id, content_index: item.content, audio_end_ms: Math.floor((heard * 1000) / RATE) });
    }
    this.#why();
  }

  _delete({ id }) {
    if (this.head.state === 'connected') this.#send({ type: 'conversation.item.delete', item_id: id });
    else this.#book.remove(id);
  }

  _payload({ number }) {
    return this.#book.payload(number);
  }

  _save() {
    throw new Error(NOT_HERE);
  }

  // The session

  #send(event) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify(event));
    this.#book.event('client', event);
  }

  #configure() {
    const detection = this.head.talk.mode === 'vad' ? { type: 'server_vad' } : null;
    this.#send({ type: 'session.update', session: { type: 'realtime', audio: { input: { turn_detection: detection, transcription: { model: 'whisper-1' } } } } });
  }

  #end() {
    this.#socket = null;
    this.#tracks = [];
    this.#device.use(false);
    this.#book.set({ state: 'disconnected', connected_at: null, answering: false });
    this.#talk({ active: false });
    this.#book.playing(null);
    this.#why();
  }

  #hear(samples) {
    const { mode, active } = this.head.talk;
    if (this.head.state !== 'connected' || !(active || mode === 'vad') || !samples.length) return;
    this.#send({ type: 'input_audio_buffer.append', audio: base64(samples) });
  }

  #played(position) {
    while (this.#tracks.length && this.#tracks[0].end <= position) {
      const { item } = this.#tracks.shift();
      if (!this.#tracks.length && item.status === 'completed') {
        this.#book.show(item, { lit: null });
        this.#book.playing(null);
        this.#book.set({ phase: 'ready' });
        this.#why();
      }
    }
    const [track] = this.#tracks;
    const time = performance.now();
    if (!track || position <= track.begin) return;
    if (this.#released) this.#measure(track.item);
    if (time - this.#shown < SHOW_MS) return;
    this.#shown = time;
    const heard = track.before + position - track.begin;
    this.#book.playing([track.item.id, heard]);
    this.#book.show(track.item, { lit: word([...track.item.text], chars(track.item, heard)) });
  }

  #answer(event, values = {}) {
    const item = this.#book.item(event.item_id, 'assistant');
    this.#book.show(item, { content: event.content_index, ...values(item) });
    return item;
  }

  #talk(values) {
    this.#book.set({ talk: { ...this.head.talk, ...values } });
  }

  #why() {
    const { state, talk } = this.head;
    const offline = state === 'connected' ? null : 'connect first';
    const silent = this.head.answering || this.#tracks.length ? null : 'nothing is being answered';
    const found = { talk: offline ?? (talk.mode === 'vad' ? 'the server detects turns' : null), interrupt: offline ?? silent };
    this.#book.set({ why_not: Object.fromEntries(Object.entries(found).filter(([, why]) => why)) });
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // What the events of the server do

  static events = {
    'session.created'({ session }) {
      this.#book.set({ state: 'connected', connected_at: now() });
      this.#server(session);
      this.#configure();
      this.#why();
    },
    'session.updated'({ session }) {
      this.#server(session);
    },
    error({ error }) {
      // A response that has just ended cannot be cancelled
      if (error.code !== 'response_cancel_not_active') this.#book.notice('error', error.message);
    },
    'conversation.item.added'({ item }) {
      if (item.type !== 'message') return;
      const row = this.#book.item(item.id, item.role);
      const text = item.content?.map((part) => part.text ?? part.transcript ?? '').join('') ?? '';
      this.#book.show(row, { text: text || row.text, ...(item.role === 'assistant' ? {} : { status: 'completed' }) });
    },
    'conversation.item.deleted'({ item_id: id }) {
      this.#book.remove(id);
    },
    'conversation.item.input_audio_transcription.delta'({ item_id: id, delta }) {
      const row = this.#book.item(id, 'user');
      this.#book.show(row, { text: row.text + delta });
    },
    'conversation.item.input_audio_transcription.completed'({ item_id: id, transcript }) {
      this.#book.show(this.#book.item(id, 'user'), { text: transcript, status: 'completed' });
    },
    'input_audio_buffer.speech_started'() {
      return this._interrupt();
    },
    'input_audio_buffer.speech_stopped'() {
      this.#released = now();
    },
    'response.created'() {
      this.#deaf = false;
      this.#book.set({ answering: true, phase: 'thinking' });
      this.#why();
    },
    'response.output_audio.delta'(event) {
      const samples = int16(event.delta);
      const item = this.#answer(event, (row) => {
        row.parts.push(samples);
        return { received: row.received + samples.length };
      });
      if (item.heard !== null || this.#deaf) return;
      const begin = this.#device.handed;
      this.#device.play(samples);
      this.#tracks.push({ item, begin, end: begin + samples.length, before: item.received - samples.length });
    },
    'response.output_audio_transcript.delta'(event) {
      this.#answer(event, ({ text }) => ({ text: text + event.delta }));
    },
    'response.output_text.delta'(event) {
      this.#answer(event, ({ text }) => ({ text: text + event.delta }));
    },
    'response.output_item.done'({ item }) {
      const row = this.#book.items.get(item.id);
      if (row && row.heard === null) this.#book.show(row, { status: item.status });
    },
    'response.done'({ response }) {
      const tokens = { ...this.head.tokens };
      for (const [name, value] of Object.entries(flat(response.usage ?? {}))) tokens[name] = (tokens[name] ?? 0) + value;
      this.#book.set({ answering: false, tokens, ...(this.#tracks.length ? {} : { phase: 'ready' }) });
      if (response.status === 'failed') this.#book.notice('error', response.status_details?.error?.message ?? 'the answer has failed');
      this.#why();
    },
  };

  #server({ model = '', audio }) {
    this.#book.set({ server: { ...this.head.server, model, voice: audio?.output?.voice ?? '' } });
  }

  #measure(item) {
    const latency = now() - this.#released;
    this.#book.show(item, { latency });
    this.#book.set({ latency, phase: 'speaking' });
    this.#book.turn({ number: ++this.#turns, latency, spans: [['first sample', this.#released, now()]] });
    this.#released = 0;
  }
}

const EVENTS = View.events;

/** How many characters of an item were said after that many samples: its words are as long as its sound. */
function chars(item, samples) {
  return item.received ? Math.floor(([...item.text].length * samples) / item.received) : 0;
}

/** Begin and end of the word at a character. */
function word(text, at) {
  const end = text.indexOf(' ', at);
  return [text.lastIndexOf(' ', at) + 1, end < 0 ? text.length : end];
}

function flat(values, before = '') {
  return Object.entries(values).reduce((found, [name, value]) => {
    if (typeof value === 'number') return { ...found, [before + name]: value };
    return value && typeof value === 'object' ? { ...found, ...flat(value, `${before}${name}.`) } : found;
  }, {});
}

function base64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function int16(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}
