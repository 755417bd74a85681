// A relay of the original console's shape (one upstream socket for each browser, every message parsed, dispatched
// by its type and written anew), as small as it can be: the peer of benchmarks/bench_relay.py.
import { EventEmitter } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';

const [upstreamUrl] = process.argv.slice(2);
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });

server.on('connection', (browser) => {
  const upstream = new WebSocket(upstreamUrl, { headers: { Authorization: 'Bearer none' } });
  const events = new EventEmitter();
  const waiting = [];

  const toUpstream = (data) => {
    const event = JSON.parse(data);
    events.emit(`client.${event.type}`, event);
    events.emit('client.*', event);
    upstream.send(JSON.stringify(event));
  };
  events.on('server.*', (event) => browser.send(JSON.stringify(event)));

  browser.on('message', (data) => (upstream.readyState === WebSocket.OPEN ? toUpstream(data) : waiting.push(data)));
  upstream.on('open', () => {
    while (waiting.length) toUpstream(waiting.shift());
  });
  upstream.on('message', (data) => {
    const event = JSON.parse(data);
    events.emit(`server.${event.type}`, event);
    events.emit('server.*', event);
  });
  browser.on('close', () => upstream.close());
  upstream.on('close', () => browser.close());
  upstream.on('error', () => browser.close());
});

server.on('listening', () => console.log(`listening on ws://127.0.0.1:${server.address().port}`));
