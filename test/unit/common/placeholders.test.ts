import { expect, test } from 'vitest';
import { fillPlaceholders, placeholdersIn, unknownPlaceholders } from '../../../src/common/placeholders.ts';

test('fills what has a value and leaves the rest', () => {
  expect(fillPlaceholders('%{CWD}/job-%{JOB_ID}/%{TASK_ID}.%{JOB_ID}', { JOB_ID: '7', CWD: '/w' })).toBe('/w/job-7/%{TASK_ID}.7');
  expect(fillPlaceholders('plain %{', { JOB_ID: '7' })).toBe('plain %{');
});

test('a value that looks like a placeholder is not filled again', () => {
  expect(fillPlaceholders('%{CWD}/%{TASK_ID}', { CWD: '/odd/%{TASK_ID}', TASK_ID: '3' })).toBe('/odd/%{TASK_ID}/3');
});

test('names of objects are no values', () => {
  expect(fillPlaceholders('%{constructor}/%{toString}', {})).toBe('%{constructor}/%{toString}');
});

test('finds names, and those that nobody fills', () => {
  expect(placeholdersIn('%{TASK_ID}-%{NOPE}-%{TASK_ID}')).toEqual(['TASK_ID', 'NOPE', 'TASK_ID']);
  expect(unknownPlaceholders('%{TASK_ID}-%{NOPE}-%{task_id}')).toEqual(['NOPE', 'task_id']);
});
