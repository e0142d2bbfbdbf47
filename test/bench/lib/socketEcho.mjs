/**
 * The other end of the socket limit: answers every `down` bytes of a connection with `up` bytes, and tells its parent the port. Started by
 * limits.mjs.
 *
 * usage: socketEcho.mjs DOWN_BYTES UP_BYTES
 */
import { createServer } from 'node:net';

const [downBytes, upBytes] = process.argv.slice(2).map(Number);
const answer = Buffer.alloc(upBytes);

const server = createServer({ noDelay: true }, (socket) => {
  let have = 0;
  socket.on('data', (chunk) => {
    have += chunk.length;
    while (have >= downBytes) {
      have -= downBytes;
      socket.write(answer);
    }
  });
  socket.on('error', () => socket.destroy());
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.once('SIGINT', () => process.exit(0));
