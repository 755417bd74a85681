// The page: joins view, panes, sound and keys.

import { Bars, run } from './bars.js';
import { Conversation } from './conversation.js';
import { $, write } from './dom.js';
import { Events } from './events.js';
import { WeatherMap } from './map.js';
import { Panels } from './panels.js';
import { Replay } from './replay.js';
import { Sound } from './sound.js';
import { Talk } from './talk.js';
import { Turns } from './turns.js';
import { View } from './view.js';

// The token has been used: it leaves the address, the history and the screen
if (location.search) history.replaceState(null, '', '/');

const view = new View();
const sound = new Sound(view.link);
const replay = new Replay(view.audio);
const map = new WeatherMap();
const parts = [new Events(view), new Conversation(view, replay), new Panels(view, sound), new Talk(view, sound), new Turns(view), map];

view.addEventListener('change', ({ detail }) => parts.forEach((part) => part.change(detail)));
view.addEventListener('link', ({ detail: { open, replaced } }) => {
  document.body.classList.toggle('away', !open);
  if (open) hide('view');
  else if (replaced) banner('view', 'Too many pages are open.', 'Use this one', () => location.reload());
  else banner('view', 'The console does not answer. Is it still running?', 'Reload', () => location.reload());
});

sound.onneed = (need) => {
  if (need === 'gesture') banner('sound', 'The browser waits for a click before it plays sound.', 'Play sound', () => sound.wake());
  else if (need === 'replaced') banner('sound', 'Another page has the sound now.', 'Take it here', () => sound.open());
  else hide('sound');
};

sound.onproblem = (problem) => {
  if (problem) banner('microphone', problem, 'Try again', () => sound.retry());
  else hide('microphone');
};

// The banner: one question at a time

const banners = new Map();

function banner(kind, text, action, does) {
  banners.set(kind, { text, action, does });
  draw();
}

function hide(kind) {
  banners.delete(kind);
  draw();
}

function draw() {
  const [kind, first] = banners.entries().next().value ?? [];
  $('banner').hidden = !first;
  if (!first) return;
  write($('banner-text'), first.text);
  write($('banner-do'), first.action);
  $('banner-do').onclick = first.does;
  $('banner-close').onclick = () => hide(kind);
}

// Controls

const connected = () => ['connected', 'reconnecting', 'connecting'].includes(view.head.state);

function connect() {
  sound.wake();
  view.do(connected() ? 'disconnect' : 'connect');
}

$('connect').addEventListener('click', connect);
$('interrupt').addEventListener('click', interrupt);
$('save').addEventListener('click', () => view.do('save'));

function interrupt() {
  if (replay.playing) replay.stop();
  else view.do('interrupt');
}

$('write').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('say').value;
  if (!text.trim()) return;
  sound.wake();
  // What cannot be sent stays in the field; the status line says why
  if (await view.ask('text', { text }).catch(() => false)) $('say').value = '';
});

for (const radio of document.querySelectorAll('[name=mode]')) {
  radio.addEventListener('change', () => view.do('mode', { mode: radio.value }));
}

for (const button of document.querySelectorAll('nav button')) {
  button.addEventListener('click', () => show(button.dataset.show));
}

function show(pane) {
  document.body.dataset.pane = pane;
  for (const button of document.querySelectorAll('nav button')) {
    if (button.dataset.show === pane) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }
}

show('conversation');

// Keys, as in the terminal. They work where nobody is writing.

const KEYS = {
  v: () => view.do('mode', { mode: view.head.talk.mode === 'vad' ? 'manual' : 'vad' }),
  c: connect,
  x: interrupt,
  e: () => view.do('echo'),
  m: () => map.zoom(),
  s: () => view.do('save'),
  t: () => $('say').focus(),
  '/': () => {
    show('events');
    $('filter').focus();
  },
};

document.addEventListener('keydown', (event) => {
  const writes = event.target.closest('input:not([type=radio]):not([type=range]), textarea, select');
  if (event.key === 'Escape' && writes) {
    if (writes === $('filter')) {
      writes.value = '';
      writes.dispatchEvent(new Event('input'));
    }
    writes.blur();
  }
  if (writes || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const does = KEYS[event.key];
  if (!does) return;
  event.preventDefault();
  does();
});

run([
  new Bars($('bars-microphone'), () => sound.analysers('microphone')),
  new Bars($('bars-speaker'), () => sound.analysers('speaker', replay.element)),
]);
view.open();
sound.open();
