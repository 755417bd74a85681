// The frames of docs/remote-protocol.md: 16 bytes, little-endian, then what depends on the type.

export const HELLO = 1, OPENED = 2, PLAY = 3, CUT = 4, CUT_DONE = 5, REPORT = 6, PING = 7, PONG = 8, MIC = 9, GAIN = 10, BYE = 11;
export const HEAD = 16;

/** A frame with room for `length` bytes after its head; {bytes, view}. */
export function frame(type, { flags = 0, stream = 0, aux = 0, position = 0 } = {}, length = 0) {
  const bytes = new Uint8Array(HEAD + length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, type);
  view.setUint8(1, flags);
  view.setUint16(2, stream, true);
  view.setUint32(4, aux >>> 0, true);
  view.setFloat64(8, position, true);
  return { bytes, view };
}

/** The fields of a frame that came as an ArrayBuffer; null for one that is too short. */
export function parse(buffer) {
  if (buffer.byteLength < HEAD) return null;
  const view = new DataView(buffer);
  return {
    type: view.getUint8(0),
    flags: view.getUint8(1),
    stream: view.getUint16(2, true),
    aux: view.getUint32(4, true),
    position: view.getFloat64(8, true),
    view,
    buffer,
  };
}

export function text(type, aux, value) {
  const body = new TextEncoder().encode(value);
  const { bytes } = frame(type, { aux }, body.length);
  bytes.set(body, HEAD);
  return bytes;
}

/** PCM16 as a frame carries it; every browser of today is little-endian, and so are its Int16Arrays. */
export function sound(type, head, samples) {
  const { bytes } = frame(type, head, samples.byteLength);
  bytes.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), HEAD);
  return bytes;
}
