import { expect, test } from 'vitest';
import { tellingLines } from '../../../src/cli/snakemake/tellingLines.ts';

const SAID = `Building DAG of jobs...

[Mon Nov 23 21:31:21 2026]
localrule bad:
    output: x
    resources: tmpdir=/tmp, mem_mb=1000
trouble ahead
RuleException:
Command 'exit 3' returned non-zero exit status 3.
[Mon Nov  2 21:31:21 2026]
Error in rule bad:
    message: None
Shutting down
`;

test('what the main process says, too, is left out', () => {
  expect(tellingLines(SAID, 20)).toEqual(['trouble ahead', 'RuleException:', "Command 'exit 3' returned non-zero exit status 3."]);
  expect(tellingLines(SAID, 1)).toEqual(["Command 'exit 3' returned non-zero exit status 3."]);
});

test('of other texts the last lines are told, without empty ones', () => {
  expect(tellingLines('a\n\n  b\r\nc', 2)).toEqual(['  b', 'c']);
  expect(tellingLines('Error in rule x:\nmore', 20)).toEqual(['Error in rule x:', 'more']);
  expect(tellingLines('\n', 20)).toEqual([]);
});
