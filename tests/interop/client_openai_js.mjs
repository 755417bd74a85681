// The four turns with the openai SDK for JavaScript, which connects by TLS only.
// Arguments: server URL (wss), question WAV (with a header of 44 bytes), and "secret" to connect with a client secret that
// the server mints first. NODE_EXTRA_CA_CERTS names the certificate.
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const [url, question, way] = process.argv.slice(2);
const baseURL = url.replace('wss', 'https') + '/v1';
let client = new OpenAI({ apiKey: 'offline', baseURL });
if (way === 'secret') {
  const { value } = await client.realtime.clientSecrets.create({ session: { type: 'realtime', model: 'gpt-realtime-2.1' } });
  client = new OpenAI({ apiKey: value, baseURL });
}
const socket = new OpenAIRealtimeWS({ model: 'gpt-realtime-2.1' }, client);
const next = (type) => new Promise((resolve) => {
  const listener = (event) => { socket.off(type, listener); resolve(event); };
  socket.on(type, listener);
});
socket.on('error', (error) => { console.error('error', error); process.exit(1); });
let samples = 0;
socket.on('response.output_audio.delta', ({ delta }) => { samples += Buffer.from(delta, 'base64').length / 2; });
const typed = (text) => {
  const content = [{ type: 'input_text', text }];
  socket.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user', content } });
  socket.send({ type: 'response.create' });
};
const transcript = ({ response }) => response.output[0].content[0].transcript;

await next('session.created');
const updated = next('session.updated');
socket.send({
  type: 'session.update',
  session: {
    type: 'realtime',
    audio: { input: { transcription: { model: 'whisper-1' } } },
    tools: [{
      type: 'function',
      name: 'get_weather',
      description: 'The weather at a place',
      parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
    }],
  },
});
await updated;

const result = {};
let done = next('response.done');
typed('The cat is on the mat.');
result.text = transcript(await done);

samples = 0;
const heard = next('conversation.item.input_audio_transcription.completed');
done = next('response.done');
const pcm = Buffer.concat([readFileSync(question).subarray(44), Buffer.alloc(48000)]);
for (let i = 0; i < pcm.length; i += 9600) {
  socket.send({ type: 'input_audio_buffer.append', audio: pcm.subarray(i, i + 9600).toString('base64') });
}
result.heard = (await heard).transcript;
result.spoken = transcript(await done);
result.samples = samples;

done = next('response.done');
typed('What is the weather in Paris?');
const call = (await done).response.output[0];
result.call = [call.name, JSON.parse(call.arguments)];
done = next('response.done');
const output = JSON.stringify({ location: 'Paris', temperature: 12 });
socket.send({ type: 'conversation.item.create', item: { type: 'function_call_output', call_id: call.call_id, output } });
socket.send({ type: 'response.create' });
result.answer = transcript(await done);

const audio = next('response.output_audio.delta');
done = next('response.done');
typed('Tell me a long story.');
await audio;
socket.send({ type: 'response.cancel' });
result.cancelled = (await done).response.status;
console.log(JSON.stringify(result));
socket.close();
