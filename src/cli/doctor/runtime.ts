/** Checks of the process itself: the version of Node, limits of files and processes, the clock. */
import { type Finding, ok, problem, warning } from './finding.ts';

/** A server holds a connection per worker and client, a worker two files per running task whose output it logs. */
const FILES_MIN = 4_096;
const FILES_LEAST = 256;
/** Each task is at least one process; the limit counts all processes of the user on this host. */
const PROCESSES_MIN = 1_024;

/** Before the first release no clock can be right. */
const EARLIEST_MS = Date.UTC(2025, 0, 1);
const LATEST_MS = Date.UTC(2100, 0, 1);
/** Time stamps in logs and events are compared between hosts by people: less is not noticed, milliseconds. */
const SKEW_MAX_MS = 2_000;

/**
 * @param version `process.versions.node`
 * @param needed the oldest that will do: `20.19`
 */
export function checkNode(version: string, needed: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = needed.split('.').map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor))
    return ok('node', `Node ${version}, at least ${needed} is needed`);
  return problem('node', `Node ${version} is too old: ${needed} is needed`, 'Install a newer Node and start hq with it');
}

/** @param text /proc/self/limits; @returns nothing about limits that it does not name */
export function checkLimits(text: string): Finding[] {
  const findings: Finding[] = [];
  const files = limitOf(text, 'open files');
  if (files !== undefined) {
    const found = `${countText(files)} files may be open`;
    const advice = "Raise the limit before starting hq: ulimit -n 65536, or ask for a higher 'nofile' limit";
    if (files < FILES_LEAST) findings.push(problem('open-files', `only ${found}`, advice));
    else if (files < FILES_MIN) findings.push(warning('open-files', `only ${found}: too few for hundreds of workers or tasks`, advice));
    else findings.push(ok('open-files', found));
  }
  const processes = limitOf(text, 'processes');
  if (processes !== undefined) {
    const found = `${countText(processes)} processes and threads may run`;
    const advice = "Raise the limit before starting hq: ulimit -u 4096, or ask for a higher 'nproc' limit";
    findings.push(processes < PROCESSES_MIN ? warning('processes', `only ${found}`, advice) : ok('processes', found));
  }
  return findings;
}

/** The soft limit, which is the one that counts; Infinity for `unlimited`. */
function limitOf(text: string, name: string): number | undefined {
  const value = new RegExp(`^Max ${name}\\s+(\\S+)`, 'm').exec(text)?.[1];
  if (value === undefined) return undefined;
  return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value);
}

const countText = (count: number): string => (count === Number.POSITIVE_INFINITY ? 'any number of' : count.toLocaleString('en'));

/** Unix time in milliseconds. @param skewMs how far the file system's clock is ahead; null when that is not known */
export function checkClock(nowMs: number, skewMs: number | null): Finding {
  const shown = new Date(nowMs).toISOString();
  const advice = 'Set the clock of this host, or let NTP do it';
  if (nowMs < EARLIEST_MS || nowMs > LATEST_MS) return problem('clock', `the clock says ${shown}`, advice);
  if (skewMs === null || !isSkewed(skewMs)) return ok('clock', shown);
  return warning('clock', `${shown}, but the file system of the server directory is ${skewText(skewMs)}`, advice);
}

/** `3.5 s ahead` */
export function skewText(skewMs: number): string {
  return `${Number((Math.abs(skewMs) / 1_000).toFixed(1))} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
}

export const isSkewed = (skewMs: number): boolean => Math.abs(skewMs) > SKEW_MAX_MS;
