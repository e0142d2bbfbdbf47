/** The report of a workflow run as words: cells of the table, a block for a Snakefile, CSV. Pure. */
import { formatSize } from '../../common/size.ts';
import type { RuleUsage, SnakemakeReport } from '../../protocol/schema/snakemakeReport.ts';

const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;

/** Head of the table. */
export const RULE_HEAD: readonly string[] = [
  'rule',
  'jobs',
  'failed',
  'CPUs asked / used',
  'CPU use',
  'memory asked / peak',
  'time limit / longest',
  'median run',
  'median wait',
];

/** @returns one row per rule, in the order of the head; `-` where nothing is known */
export function ruleRows({ rules }: SnakemakeReport): string[][] {
  return rules.map((rule) => [
    rule.rule,
    String(rule.jobs),
    String(rule.failed),
    `${numberText(rule.cpus)} / ${numberText(rule.cpusUsed)}`,
    rule.cpuEfficiency === null ? '-' : `${Math.round(rule.cpuEfficiency * 100)} %`,
    `${sizeText(rule.memBytes)} / ${sizeText(rule.peakMemBytes)}`,
    `${timeText(rule.limitMs)} / ${timeText(rule.wallMostMs)}`,
    timeText(rule.wallMedianMs),
    timeText(rule.waitMedianMs),
  ]);
}

/** @returns for each rule with advice what to write into the Snakefile, with the reason; empty when nothing is to be changed */
export function adviceText({ rules }: SnakemakeReport): string {
  return rules.flatMap(adviceLines).join('\n');
}

function adviceLines(rule: RuleUsage): string[] {
  const { threads, mem_mb: memory, runtime } = rule.advice;
  const asked = (value: string): string => (value === '-' ? 'not asked for' : `asked for ${value}`);
  const resources = [
    ...(memory === null ? [] : [`        mem_mb=${memory},  # ${asked(sizeText(rule.memBytes))}, peak ${sizeText(rule.peakMemBytes)}`]),
    ...(runtime === null
      ? []
      : [`        runtime=${runtime},  # minutes; ${limitText(rule.limitMs)}, longest ${timeText(rule.wallMostMs)}`]),
  ];
  if (threads === null && resources.length === 0) return [];
  return [
    `rule ${rule.rule}:`,
    ...(threads === null ? [] : [`    threads: ${threads}  # ${asked(numberText(rule.cpus))}, kept busy ${numberText(rule.cpusUsed)}`]),
    ...(resources.length === 0 ? [] : ['    resources:', ...resources]),
  ];
}

function limitText(limitMs: number | null): string {
  return limitMs === null ? 'no limit' : `limit ${limitMs / MINUTE_MS}`;
}

const COLUMNS: readonly (readonly [name: string, value: (rule: RuleUsage) => string | number | null])[] = [
  ['rule', ({ rule }) => rule],
  ['jobs', ({ jobs }) => jobs],
  ['attempts', ({ attempts }) => attempts],
  ['failed', ({ failed }) => failed],
  ['cpus_requested', ({ cpus }) => cpus],
  ['cpus_used', ({ cpusUsed }) => rounded(cpusUsed)],
  ['cpu_efficiency', ({ cpuEfficiency }) => rounded(cpuEfficiency)],
  ['mem_mb_requested', ({ memBytes }) => (memBytes === null ? null : memBytes / MIB)],
  ['mem_mb_peak', ({ peakMemBytes }) => rounded(peakMemBytes === null ? null : peakMemBytes / MIB)],
  ['runtime_requested_s', ({ limitMs }) => (limitMs === null ? null : limitMs / 1_000)],
  ['runtime_longest_s', ({ wallMostMs }) => wallMostMs / 1_000],
  ['runtime_median_s', ({ wallMedianMs }) => wallMedianMs / 1_000],
  ['wait_median_s', ({ waitMedianMs }) => (waitMedianMs === null ? null : waitMedianMs / 1_000)],
  ['advised_threads', ({ advice }) => advice.threads],
  ['advised_mem_mb', ({ advice }) => advice.mem_mb],
  ['advised_runtime_min', ({ advice }) => advice.runtime],
];

/** @returns a header and one record per rule (RFC 4180); empty fields where nothing is known */
export function rulesCsv({ rules }: SnakemakeReport): string {
  const records = [COLUMNS.map(([name]) => name), ...rules.map((rule) => COLUMNS.map(([, value]) => String(value(rule) ?? '')))];
  return records.map((fields) => `${fields.map(csvField).join(',')}\r\n`).join('');
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 1_000) / 1_000;
}

function numberText(value: number | null): string {
  return value === null ? '-' : String(Math.round(value * 10) / 10);
}

function sizeText(bytes: number | null): string {
  return bytes === null ? '-' : formatSize(bytes);
}

function timeText(ms: number | null): string {
  if (ms === null) return '-';
  return ms >= MINUTE_MS ? `${numberText(ms / MINUTE_MS)} min` : `${numberText(ms / 1_000)} s`;
}
