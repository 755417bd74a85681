"""A script for a page that records what it plays at the rate of the session."""

from __future__ import annotations

__all__ = ["TAP"]

# `heard` is a list of Int16Arrays, `all()` their bytes in base64. After a reload sessionStorage has those of before
TAP = """
(() => {
  const code = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process([input]) {
      if (input[0]) this.port.postMessage(Int16Array.from(input[0], (sample) => Math.round(sample * 32768)));
      return true;
    }
  })`;
  const connect = AudioNode.prototype.connect;
  window.heard = [];
  AudioNode.prototype.connect = function (target, ...more) {
    const { context } = this;
    if (target instanceof AudioDestinationNode && context.sampleRate === 24000) {
      context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))).then(() => {
        const tap = new AudioWorkletNode(context, 'tap', { numberOfOutputs: 0 });
        tap.port.onmessage = ({ data }) => window.heard.push(data);
        connect.call(this, tap);
      });
    }
    return connect.call(this, target, ...more);
  };
  window.all = () => {
    const whole = new Int16Array(heard.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of heard) { whole.set(part, at); at += part.length; }
    const bytes = new Uint8Array(whole.buffer);
    let text = '';
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
  };
  addEventListener('pagehide', () => { sessionStorage.heard = window.all(); });
})()
"""
