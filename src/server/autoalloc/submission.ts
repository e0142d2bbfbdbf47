/** The files of an allocation that the server writes: script and id of the job. Called by the batch systems when they submit. */
import { join } from 'node:path';
import { writePrivate } from '../identity/privateFile.ts';

/** Names are HyperQueue's. */
const SCRIPT_FILE = 'hq-submit.sh';
const JOB_ID_FILE = 'jobid';

/** For people who look into the directory: nothing reads them after a crash of the machine. */
const PASSING = { durable: false };

/** @returns absolute path of the script. Throws errors of the file system */
export function writeScript(directory: string, text: string): string {
  const path = join(directory, SCRIPT_FILE);
  writePrivate(path, text, PASSING);
  return path;
}

/** Throws errors of the file system. */
export function writeJobId(directory: string, id: string): void {
  writePrivate(join(directory, JOB_ID_FILE), id, PASSING);
}
