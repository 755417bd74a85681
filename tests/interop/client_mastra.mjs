// The four turns with @mastra/voice-openai-realtime. Arguments: server URL, question WAV (with a header of 44 bytes).
import { readFileSync } from 'node:fs';
import { OpenAIRealtimeVoice } from '@mastra/voice-openai-realtime';
import { z } from 'zod';

const [url, question] = process.argv.slice(2);
const voice = new OpenAIRealtimeVoice({
  url: url + '/v1/realtime', apiKey: 'offline', model: 'gpt-realtime-2.1', speaker: 'alloy',
});
const calls = [];
voice.addInstructions('Be brief.');
voice.addTools({
  get_weather: {
    description: 'The weather at a place',
    inputSchema: z.object({ location: z.string() }),
    execute: async ({ location }) => {
      calls.push(['get_weather', { location }]);
      return { location, temperature: 12 };
    },
  },
});
voice.on('error', (error) => { console.error('error', error); process.exit(1); });
const written = { user: '', assistant: '' };
let samples = 0;
voice.on('writing', ({ text, role }) => { written[role] += text; });
voice.on('speaking', ({ audio }) => { samples += audio.length / 2; });
const waiting = [];
const deliver = (name) => (event) => {
  const index = waiting.findIndex((waiter) => waiter.name === name);
  if (index >= 0) waiting.splice(index, 1)[0].resolve(event);
};
for (const name of ['speaking', 'response.done']) voice.on(name, deliver(name));
const next = (name) => new Promise((resolve) => waiting.push({ name, resolve }));
const typed = (text) => {
  const content = [{ type: 'input_text', text }];
  voice.sendEvent('conversation.item.create', { item: { type: 'message', role: 'user', content } });
  voice.answer({});
};
const reply = () => { const text = written.assistant.trim(); written.assistant = ''; return text; };

await voice.connect();
const result = {};
typed('The cat is on the mat.');
await next('response.done');
result.text = reply();

samples = 0;
let done = next('response.done');
const pcm = Buffer.concat([readFileSync(question).subarray(44), Buffer.alloc(48000)]);
for (let i = 0; i < pcm.length; i += 9600) {
  const part = pcm.subarray(i, i + 9600);
  await voice.send(new Int16Array(part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength)));
}
await done;
result.heard = written.user.trim();
result.spoken = reply();
result.samples = samples;

done = next('response.done').then(() => next('response.done'));
typed('What is the weather in Paris?');
await done;
result.call = calls[0];
result.answer = reply();

const audio = next('speaking');
done = next('response.done');
typed('Tell me a long story.');
await audio;
voice.sendEvent('response.cancel');
result.cancelled = (await done).response.status;
console.log(JSON.stringify(result));
voice.close();
