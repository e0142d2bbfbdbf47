/** What a worker tells the event log: each line once, none lost before the first server, none too long. */
import { expect, test } from 'vitest';
import { NOTICE_MAX_BYTES } from '../../../src/protocol/messages/worker.ts';
import { Notices } from '../../../src/worker/notices.ts';

function attached(): { notices: Notices; told: string[] } {
  const told: string[] = [];
  const notices = new Notices();
  notices.attach((line) => told.push(line));
  return { notices, told };
}

test('lines wait for a server that reads them, and are told once', () => {
  const notices = new Notices();
  notices.tell('a');
  notices.attach(null);
  notices.tell('b');
  notices.tell('a');
  const told: string[] = [];
  notices.attach((line) => told.push(line));
  notices.tell('b');
  notices.tell('c');
  notices.attach(null);
  notices.attach((line) => told.push(line));
  expect(told).toEqual(['a', 'b', 'c']);
});

test('a long line is cut between characters', () => {
  const { notices, told } = attached();
  notices.tell(`a${'ä'.repeat(NOTICE_MAX_BYTES)}`);
  expect(told[0]).toBe(`a${'ä'.repeat((NOTICE_MAX_BYTES - 2) / 2)}`);
});

test('new lines without end are not told without end', () => {
  const { notices, told } = attached();
  for (let i = 0; i < 1_000; i += 1) notices.tell(`line ${i}`);
  expect(told).toHaveLength(100);
});
