#!/usr/bin/env node
/**
 * What the server allows: node bench/scale/bare-client.mjs PORT COUNT CONNECTIONS
 * Asks by sockets, the same bytes every time, and looks at nothing but where an answer ends.
 */
import { connect } from 'node:net';

const [port, count, connections] = process.argv.slice(2).map(Number);
const body = JSON.stringify({
  model: 'mock',
  messages: [{ role: 'user', content: 'Item of a bare client' }],
});
const request = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
let left = count;

const one = () =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let waiting = 0;
    const ask = () => {
      if (left === 0) return socket.end(resolve);
      left--;
      waiting = 0;
      socket.write(request);
    };
    socket.on('connect', ask).on('error', reject);
    socket.on('data', (part) => {
      if (waiting === 0) {
        const head = part.indexOf('\r\n\r\n');
        waiting = head + 4 + Number(/content-length: (\d+)/i.exec(part.toString('latin1', 0, head))[1]);
      }
      waiting -= part.length;
      if (waiting === 0) ask();
    });
  });
await Promise.all(Array.from({ length: connections }, one));
