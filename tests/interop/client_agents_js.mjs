// The four turns with @openai/agents-realtime. Arguments: server URL, question WAV (with a header of 44 bytes).
import { readFileSync } from 'node:fs';
import { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebSocket, tool } from '@openai/agents-realtime';

const [url, question] = process.argv.slice(2);
const calls = [];
const weather = tool({
  name: 'get_weather',
  description: 'The weather at a place',
  parameters: {
    type: 'object', properties: { location: { type: 'string' } }, required: ['location'], additionalProperties: false,
  },
  strict: true,
  execute: async ({ location }) => {
    calls.push(['get_weather', { location }]);
    return JSON.stringify({ location, temperature: 12 });
  },
});
const agent = new RealtimeAgent({ name: 'tester', instructions: 'Be brief.', tools: [weather] });
const transport = new OpenAIRealtimeWebSocket({ url: url + '/v1/realtime?model=gpt-realtime-2.1' });
const session = new RealtimeSession(agent, {
  transport,
  tracingDisabled: true,
  config: { audio: { input: { transcription: { model: 'whisper-1' }, turnDetection: { type: 'server_vad' } } } },
});
let samples = 0;
const seen = [];
const waiting = [];
const deliver = (event) => {
  seen.push(event);
  for (const w of [...waiting]) if (w.test(event)) { waiting.splice(waiting.indexOf(w), 1); w.resolve(event); }
};
const next = (type) => new Promise((resolve) => waiting.push({ test: (e) => e.type === type, resolve }));
transport.on('*', deliver);
transport.on('audio', ({ data }) => { samples += data.byteLength / 2; });
session.on('error', ({ error }) => { console.error('error', JSON.stringify(error)); process.exit(1); });

await session.connect({ apiKey: 'offline' });
const result = {};
let done = next('response.done');
session.sendMessage('The cat is on the mat.');
result.text = (await done).response.output[0].content[0].transcript;

samples = 0;
const heard = next('conversation.item.input_audio_transcription.completed');
done = next('response.done');
const pcm = Buffer.concat([readFileSync(question).subarray(44), Buffer.alloc(48000)]);
for (let i = 0; i < pcm.length; i += 9600) {
  const part = pcm.subarray(i, i + 9600);
  session.sendAudio(part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength));
}
result.heard = (await heard).transcript;
result.spoken = (await done).response.output[0].content[0].transcript;
result.samples = samples;

done = next('response.done');
session.sendMessage('What is the weather in Paris?');
await done;
done = next('response.done');
const answer = await done;
result.call = calls[0];
result.answer = answer.response.output[0].content[0].transcript;

const audio = next('response.output_audio.delta');
done = next('response.done');
session.sendMessage('Tell me a long story.');
await audio;
session.interrupt();
result.cancelled = (await done).response.status;
console.log(JSON.stringify(result));
session.close();
