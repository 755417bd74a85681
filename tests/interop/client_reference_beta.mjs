// The four turns with the reference client (the published fork with types), which speaks the beta dialect.
// Arguments: server URL, question WAV (with a header of 44 bytes).
import { readFileSync } from 'node:fs';
import { RealtimeClient } from 'openai-realtime-api';

const [url, question] = process.argv.slice(2);
const client = new RealtimeClient({ url: url + '/v1/realtime', apiKey: 'offline' });
const calls = [];
client.addTool(
  {
    name: 'get_weather',
    description: 'The weather at a place',
    parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
  },
  async ({ location }) => {
    calls.push(['get_weather', { location }]);
    return { location, temperature: 12 };
  },
);
client.realtime.on('server.error', ({ error }) => { console.error('error', JSON.stringify(error)); process.exit(1); });
client.updateSession({
  turn_detection: { type: 'server_vad' }, input_audio_transcription: { model: 'whisper-1' },
});
await client.connect();
await client.waitForSessionCreated();

const next = (type) => client.realtime.waitForNext('server.' + type);
const result = {};
let done = next('response.done');
client.sendUserMessageContent([{ type: 'input_text', text: 'The cat is on the mat.' }]);
await done;
result.text = client.conversation.getItems().at(-1).formatted.transcript;

let heard = next('conversation.item.input_audio_transcription.completed');
done = next('response.done');
const pcm = Buffer.concat([readFileSync(question).subarray(44), Buffer.alloc(48000)]);
for (let i = 0; i < pcm.length; i += 9600) {
  const part = pcm.subarray(i, i + 9600);
  client.appendInputAudio(new Int16Array(part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength)));
}
result.heard = (await heard).transcript;
await done;
const spoken = client.conversation.getItems().at(-1);
result.spoken = spoken.formatted.transcript;
result.samples = spoken.formatted.audio.length;

const interrupted = next('response.done').then(() => next('response.done'));
client.sendUserMessageContent([{ type: 'input_text', text: 'What is the weather in Paris?' }]);
await interrupted;
result.call = calls[0];
result.answer = client.conversation.getItems().at(-1).formatted.transcript;

const audio = next('response.audio.delta');
done = next('response.done');
client.sendUserMessageContent([{ type: 'input_text', text: 'Tell me a long story.' }]);
const { item_id: itemId } = await audio;
await client.cancelResponse(itemId, 2400);
result.cancelled = (await done).response.status;
console.log(JSON.stringify(result));
client.disconnect();
process.exit(0);
