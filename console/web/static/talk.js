// Push to talk: hold the button or the space bar and release to send; a short press opens, the next one sends.

import { $, write } from './dom.js';

const TAP_MS = 300;

export class Talk {
  #view;
  #sound;
  #button = $('talk');
  // How the microphone is held open: '', 'pointer', 'key', 'tap'
  #held = '';
  #since = 0;
  // The press that has just sent ends without another meaning
  #closing = false;

  constructor(view, sound) {
    this.#view = view;
    this.#sound = sound;
    const button = this.#button;
    button.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      button.setPointerCapture(event.pointerId);
      this.#press('pointer');
    });
    button.addEventListener('pointerup', () => this.#lift('pointer'));
    button.addEventListener('pointercancel', () => this.#lift('pointer'));
    button.addEventListener('contextmenu', (event) => event.preventDefault());
    // A screen reader clicks without a pointer and without a key
    button.addEventListener('click', (event) => {
      if (event.detail === 0 && event.pointerId === -1 && !this.#held && !this.#closing) this.#press('tap');
      else if (event.detail === 0 && this.#held === 'tap' && !this.#closing) this.#send();
    });
    document.addEventListener('keydown', (event) => {
      if (event.key === ' ' && this.#listensTo(event)) {
        event.preventDefault();
        if (!event.repeat) this.#press('key');
      } else if (event.key === 'Escape' && (this.#held || this.#view.head.talk?.active)) {
        this.#held = '';
        view.do('cancel');
      }
    });
    document.addEventListener('keyup', (event) => {
      if (event.key !== ' ' || !this.#listensTo(event)) return;
      event.preventDefault();
      this.#lift('key');
    });
    // The release would not be seen
    addEventListener('blur', () => this.#send());
    addEventListener('pagehide', () => this.#send());
    setInterval(() => this.draw(), 100);
  }

  // Space writes in a field and presses a button: elsewhere, and on the talk button, it talks
  #listensTo({ target, ctrlKey, metaKey, altKey }) {
    if (ctrlKey || metaKey || altKey) return false;
    return target === this.#button || !target.closest('input, textarea, select, button, a, [contenteditable]');
  }

  #press(how) {
    this.#sound.wake();
    if (this.#held) {
      this.#closing = true;
      this.#send();
      return;
    }
    // Where talking is impossible, the console says why, and nothing is held
    if (!this.#view.do('talk') || this.#view.head.why_not?.talk) return;
    this.#held = how;
    this.#since = performance.now();
  }

  #lift(how) {
    if (this.#closing) {
      this.#closing = false;
    } else if (this.#held === how) {
      if (performance.now() - this.#since < TAP_MS) this.#held = 'tap';
      else this.#send();
    }
  }

  /** Send what was said, up to this moment: sound on its way to the console counts too. */
  async #send() {
    if (!this.#held) return;
    this.#held = '';
    this.#view.do('release', { captured: await this.#sound.captured() });
  }

  change({ head = {} }) {
    if (head.talk && !head.talk.active && this.#held && performance.now() - this.#since > TAP_MS) this.#held = '';
    if (head.why_not || head.talk || head.state) this.draw();
  }

  draw() {
    const { talk, state, why_not: whyNot = {}, half_duplex: halfDuplex } = this.#view.head;
    if (!talk) return;
    const live = state === 'connected' && talk.mode === 'vad';
    this.#button.classList.toggle('open', talk.active);
    this.#button.classList.toggle('listens', live);
    this.#button.setAttribute('aria-pressed', String(talk.active));
    this.#button.setAttribute('aria-disabled', String(Boolean(whyNot.talk)));
    write($('talk-word'), word(talk, state, live, halfDuplex, Date.now() / 1000 + this.#view.offset, this.#held));
  }
}

function word(talk, state, live, halfDuplex, now, held) {
  if (talk.active) {
    const seconds = Math.max(now - talk.since, 0).toFixed(1);
    return `● ${seconds} s — ${held === 'tap' ? 'press to send' : 'release to send'}`;
  }
  if (state === 'disconnected') return 'connect to talk';
  if (state !== 'connected') return `${state ?? ''} …`;
  if (live) return halfDuplex && talk.speaker_heard ? 'microphone closed while the speaker is heard' : '● listening: just speak';
  return 'hold to talk';
}
