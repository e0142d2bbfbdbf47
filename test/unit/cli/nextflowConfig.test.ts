/** `hq nextflow config`: printed, or written into a new file, and never over somebody's own. That Nextflow takes it is tested in test/nextflow. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CliWorld } from '../../helpers/cli.ts';

test('is printed alike in every mode, written into a new file, and replaces none', async () => {
  const world = new CliWorld();
  await world.start();
  try {
    const text = await world.ok(['nextflow', 'config']);
    expect(text).toMatch(/^process\.executor = 'hq'$/m);
    expect(await world.ok(['--output-mode', 'json', 'nextflow', 'config'])).toBe(text);
    expect(await world.ok(['nextflow', 'config', '--output', 'hq.config'])).toBe('');
    expect(readFileSync(join(world.work, 'hq.config'), 'utf8')).toBe(text);
    world.write('nextflow.config', 'mine');
    expect(await world.hq(['nextflow', 'config', '--output', 'nextflow.config'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/cannot write 'nextflow\.config': EEXIST/),
    });
    expect(readFileSync(join(world.work, 'nextflow.config'), 'utf8')).toBe('mine');
  } finally {
    await world.stop();
  }
});
