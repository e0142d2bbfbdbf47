import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

test('a script goes on to its end, with its own exit code, when nobody reads its output any more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hq-text-'));
  const closed = join(folder, 'closed');
  const script = `
    import { existsSync } from 'node:fs';
    import { main, say } from '${pathToFileURL('scripts/lib/text.mjs').href}';
    await main(async () => {
      say('first');
      while (!existsSync('${closed}')) await new Promise((done) => setTimeout(done, 10));
      say('nobody reads this');
      await new Promise(setImmediate);
      process.stderr.write('done');
      return 7;
    });`;
  const pipe = 'set -o pipefail; "$1" --input-type=module --eval "$2" | { head -1; exec <&-; touch "$3"; }';
  try {
    const ended = promisify(execFile)('bash', ['-c', pipe, '-', process.execPath, script, closed]);
    await expect(ended).rejects.toMatchObject({ code: 7, stdout: 'first\n', stderr: 'done' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
