// The head of the page and the panels beside the conversation: state, numbers, memory, devices, notices.

import { $, make, thousands, write } from './dom.js';

const MARKS = { connected: '●', connecting: '◌', reconnecting: '◌', disconnected: '○', replay: '▶' };
// The mark stands before the word, so that no state is told by colour
const PHASES = { ready: '○ ready', listening: '● listening', thinking: '◌ thinking', speaking: '▶ speaking', cut: '| cut' };
// Warnings and errors stay until a newer notice comes
const INFO_SECONDS = 10;

export class Panels {
  #view;

  constructor(view, sound) {
    this.#view = view;
    $('list-devices').addEventListener('click', () => {
      view.do('devices');
      sound.list();
    });
    $('echo-next').addEventListener('click', () => view.do('echo'));
    for (const noun of ['input', 'output']) {
      $(noun).addEventListener('change', () => {
        const [where, id] = JSON.parse($(noun).value);
        if (where === 'page') sound.use(noun, id);
        view.do(noun, { id: where === 'page' ? 'page' : id });
      });
    }
    sound.ondevices = () => this.#devices(sound);
    this.sound = sound;
    setInterval(() => this.#time(), 500);
  }

  change({ head = {}, fresh }) {
    const { state, server, answering, phase, latency, tokens, dollars } = this.#view.head;
    write($('state-word'), `${MARKS[state] ?? ''} ${state}`);
    $('state').dataset.state = state;
    write($('facts'), [server.model && `${server.model}${server.voice ? ` · ${server.voice}` : ''}`, server.endpoint,
      latency != null && `latency ${Math.round(latency * 1000)} ms`, PHASES[phase] ?? (answering && 'answering')].filter(Boolean).join('   '));
    write($('money'), money(tokens, dollars));
    $('money').title = kinds(tokens);
    write($('connect'), { connected: 'Disconnect', reconnecting: 'Disconnect', connecting: 'Connecting …' }[state] ?? 'Connect');
    $('connect').classList.toggle('primary', state === 'disconnected');
    $('interrupt').disabled = Boolean(this.#view.head.why_not.interrupt);
    if (head.talk) this.#modes(head.talk);
    if (head.talk || head.state) write($('echo'), echo(this.#view.head));
    if (head.memory) this.#memory(head.memory);
    if (head.microphones || head.speakers || head.microphone || head.speaker || fresh) this.#devices(this.sound);
    this.#time();
  }

  #time() {
    const { connected_at: since, notices = [] } = this.#view.head;
    const now = Date.now() / 1000 + this.#view.offset;
    const seconds = Math.max(Math.floor(now - since), 0);
    write($('clock'), since == null ? '' : `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`);
    const [level, text, time] = notices.at(-1) ?? ['info', '', 0];
    const old = level === 'info' && now - time > INFO_SECONDS;
    $('status').dataset.level = level;
    write($('status'), old ? '' : (level === 'info' ? '' : `${level}: `) + text);
  }

  #modes({ mode }) {
    for (const radio of document.querySelectorAll('[name=mode]')) radio.checked = radio.value === mode;
  }

  #memory(memory) {
    const entries = Object.entries(memory);
    $('memory-list').replaceChildren(...entries.flatMap(([key, value]) => [make('dt', {}, key), make('dd', {}, value)]));
    $('memory-empty').hidden = entries.length > 0;
  }

  #devices(sound) {
    const { microphone, speaker, microphones = [], speakers = [] } = this.#view.head;
    if (!microphone) return;
    this.#choices($('input'), sound.devices('audioinput'), microphones, microphone, sound.chosen('input'));
    this.#choices($('output'), sound.devices('audiooutput'), speakers, speaker, sound.chosen('output'));
    const problems = [microphone.problem, speaker.problem, sound.problem].filter(Boolean);
    write($('sound-note'), problems.join(' · ') || sound.note);
  }

  /** The devices of this browser, and those of the machine on which the console runs. */
  #choices(select, here, there, { name }, chosen) {
    const option = (where, id, text, selected) => {
      const element = make('option', { value: JSON.stringify([where, id]) }, text);
      element.selected = selected;
      return element;
    };
    const onPage = name === 'this page';
    const own = make('optgroup', { label: 'this browser' }, option('page', '', 'default', onPage && !chosen));
    for (const { deviceId, label } of here) {
      if (deviceId && deviceId !== 'default') own.append(option('page', deviceId, label || 'unnamed', onPage && deviceId === chosen));
    }
    const groups = [own];
    if (there.length) {
      groups.push(make('optgroup', { label: 'the machine of the console' },
        ...there.map(([id, text]) => option('machine', id, text, !onPage && (name === text || name === id)))));
    }
    const text = groups.map((group) => [...group.children].map((one) => `${one.value}${one.text}${one.selected}`).join()).join();
    if (select.dataset.shown === text) return;
    select.dataset.shown = text;
    select.replaceChildren(...groups);
  }
}

function money(tokens = {}, dollars = 0) {
  if (!tokens.input_tokens && !tokens.output_tokens) return '';
  const cost = dollars ? `   $${dollars.toFixed(4)}` : '';
  return `${thousands(tokens.input_tokens ?? 0)} in · ${thousands(tokens.output_tokens ?? 0)} out${cost}`;
}

function kinds(tokens = {}) {
  const of = (kind) => `${kind} ${tokens[`input_token_details.${kind}_tokens`] ?? 0}/${tokens[`output_token_details.${kind}_tokens`] ?? 0}`;
  return tokens.input_tokens ? `tokens in/out: ${of('text')}, ${of('audio')}, cached ${tokens['input_token_details.cached_tokens'] ?? 0}` : '';
}

function echo({ state, talk }) {
  if (state !== 'connected' && state !== 'reconnecting') return 'echo: the browser cancels it';
  if (talk.action === 'cancel') {
    return ['echo: cancel', talk.echo_heard && talk.erle_db && `${talk.erle_db} dB`, talk.echo_heard && talk.delay_ms != null && `${talk.delay_ms} ms`].filter(Boolean).join(' ');
  }
  return { bypass: 'echo: none heard', 'half-duplex': 'echo: half-duplex' }[talk.action] ?? (talk.echo_heard ? 'ECHO: speakers are heard' : 'echo: off');
}
