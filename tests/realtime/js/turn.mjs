// One spoken turn with nothing but a websocket, as a page in a browser would hold it. Node's `ws`; a browser's
// WebSocket takes the same two arguments: the token travels as a subprotocol, for a page cannot set headers.
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';

const [url, token, pcmFile] = process.argv.slice(2);
const pcm = readFileSync(pcmFile);
const socket = new WebSocket(url, ['realtime', `openai-insecure-api-key.${token}`]);
const send = (event) => socket.send(JSON.stringify(event));
let samples = 0;
let transcript = '';
const seen = new Set();

socket.on('message', (data) => {
  const event = JSON.parse(data);
  seen.add(event.type);
  if (event.type === 'session.created') {
    if (JSON.stringify(event).includes('pirate')) process.exit(3);
    send({ type: 'session.update', session: { type: 'realtime', audio: { input: { turn_detection: null } } } });
    for (let at = 0; at < pcm.length; at += 9600) {
      send({ type: 'input_audio_buffer.append', audio: pcm.subarray(at, at + 9600).toString('base64') });
    }
    send({ type: 'input_audio_buffer.commit' });
    send({ type: 'response.create' });
  } else if (event.type === 'response.output_audio.delta') {
    samples += Buffer.from(event.delta, 'base64').length / 2;
  } else if (event.type === 'response.output_audio_transcript.done') {
    transcript = event.transcript;
  } else if (event.type === 'error') {
    console.error(event.error.message);
    process.exit(2);
  } else if (event.type === 'response.done') {
    socket.close(1000, 'thank you');
  }
});
socket.on('close', (code, reason) => {
  console.log(JSON.stringify({ protocol: socket.protocol, samples, transcript, code, reason: String(reason), seen: [...seen] }));
});
socket.on('error', (error) => {
  console.error(String(error));
  process.exit(1);
});
