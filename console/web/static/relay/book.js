// What happened in a session, as the panes take it: rows of events, items, turns, and the head. See console/web/mirror.py.

import { RATE } from './device.js';

const MOST_ROWS = 500;
const MOST_ITEMS = 200;
const MOST_NOTICES = 20;

/** Seconds since the epoch. */
export const now = () => Date.now() / 1000;

export class Book {
  head = {
    state: 'disconnected', connected_at: null, answering: false, phase: '', server: { model: '', voice: '', endpoint: location.host, key_source: '' },
    microphone: { name: 'this page', problem: '' }, speaker: { name: 'this page', problem: '' }, microphones: [], speakers: [],
    talk: { mode: 'manual', active: false, since: 0, echo: 'auto', action: 'off', echo_heard: false, erle_db: null, delay_ms: null, speaker_heard: false },
    half_duplex: false, tokens: {}, dollars: 0, latency: null, memory: {},
    place: { latitude: 37.7756, longitude: -122.4181, name: '', state: 'not yet retrieved', temperature: null, wind: null },
    notices: [], dropped: [0, 0], why_not: {},
  };
  items = new Map();
  #rows = new Map();
  #last = null;
  #total = 0;
  #begun = now();
  #told;
  #changes = {};

  /** `told` is called with what has changed, at most once per turn of the event loop. */
  constructor(told) {
    this.#told = told;
  }

  set(values) {
    Object.assign(this.head, values);
    this.#change('head', values);
  }

  notice(level, text) {
    this.set({ notices: [...this.head.notices, [level, text, now()]].slice(-MOST_NOTICES) });
  }

  /** Count an event; equal ones after one another are one row. */
  event(source, event) {
    const number = this.#total++;
    const bytes = Math.floor(((event.audio ?? event.delta ?? '').length * 3) / 4) * Number(/audio(_buffer\.append|\.delta)/.test(event.type));
    const error = Number(event.type === 'error');
    const last = this.#last;
    const row = last && last.type === event.type && last.source === source ? last : { number, count: 0, bytes: 0, type: event.type, source, event };
    Object.assign(row, { count: row.count + 1, bytes: row.bytes + bytes });
    this.#last = row;
    this.#rows.set(row.number, row);
    if (this.#rows.size > MOST_ROWS) this.#rows.delete(this.#rows.keys().next().value);
    const known = [row.number, row.count, row.bytes, error, error ? (event.error?.message ?? '') : ''];
    const seconds = Math.round((now() - this.#begun) * 100) / 100;
    const { events = [] } = this.#changes;
    if (row.number !== number && events.at(-1)?.[0] === row.number) events.at(-1).splice(0, known.length, ...known);
    else events.push(row.number === number ? [...known, seconds, source, event.type] : known);
    this.#change('events', events);
    this.#changes.total = this.#total;
  }

  /** The event that began a row, as JSON. */
  payload(number) {
    const { event } = this.#rows.get(number) ?? {};
    if (!event) throw new Error('this event was dropped');
    return JSON.stringify(event, (name, value) => (typeof value === 'string' && value.length > 2000 ? `${value.slice(0, 100)}… (${value.length} characters)` : value), 2);
  }

  /** The item of an id, made if it is new. */
  item(id, role) {
    let item = this.items.get(id);
    if (!item) {
      item = { id, role, status: 'in_progress', text: '', waits: true, seconds: 0, rate: RATE, heard: null, heard_chars: 0, lit: null, received: 0, latency: null, live: false, parts: [] };
      this.items.set(id, item);
      if (this.items.size > MOST_ITEMS) this.remove(this.items.keys().next().value);
    }
    return item;
  }

  /** Change an item, and show it. */
  show(item, values = {}) {
    Object.assign(item, values, item.received ? { seconds: item.received / RATE } : {});
    const { parts, ...shown } = item;
    const others = (this.#changes.items ?? []).filter(({ id }) => id !== item.id);
    this.#change('items', [...others, { ...shown, waits: !shown.text, text: shown.text || '…' }]);
  }

  remove(id) {
    if (this.items.delete(id)) this.#change('gone', [...(this.#changes.gone ?? []), id]);
  }

  playing(position) {
    this.#change('playing', position);
  }

  turn(turn) {
    this.#change('turns', [...(this.#changes.turns ?? []), turn]);
  }

  #change(name, value) {
    if (Object.keys(this.#changes).length === 0) queueMicrotask(() => this.#tell());
    this.#changes[name] = name === 'head' ? { ...this.#changes.head, ...value } : value;
  }

  #tell() {
    const changes = this.#changes;
    this.#changes = {};
    if (changes.total !== undefined) this.head.total = changes.total;
    this.#told(changes);
  }
}

/** A WAV file with what was received of an item. */
export function wav(item) {
  const bytes = item.received * 2;
  const head = new DataView(new ArrayBuffer(44));
  const write = (at, word) => [...word].forEach((letter, index) => head.setUint8(at + index, letter.charCodeAt(0)));
  write(0, 'RIFF');
  head.setUint32(4, 36 + bytes, true);
  write(8, 'WAVEfmt ');
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, RATE, true);
  head.setUint32(28, RATE * 2, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  write(36, 'data');
  head.setUint32(40, bytes, true);
  return new Blob([head, ...item.parts], { type: 'audio/wav' });
}
