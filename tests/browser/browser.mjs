// What the original finds in a browser: the Web Audio API, here with a loudspeaker that is a silent clock.
import { webcrypto } from 'node:crypto';
import * as audio from 'node-web-audio-api';

class AudioContext extends audio.AudioContext {
  constructor(options) {
    super({ ...options, sinkId: { type: 'none' } });
  }
}

globalThis.crypto ??= webcrypto; // Node 18
Object.assign(globalThis, audio, { AudioContext, window: globalThis });
