/**
 * The tables of the journal and how a database of an older version becomes one of this version. Used when the journal is opened.
 */
import type { Database } from 'better-sqlite3';

/** `PRAGMA application_id` of our databases: 'hqbj'. */
export const APPLICATION_ID = 0x6871_626a;

/**
 * Bytes. Small turns touch few pages of each table, and every touched page is written whole: smaller pages halve what a turn writes;
 * below this, large submits get slow.
 */
export const PAGE_BYTES = 2_048;

const VERSION_1 = `
  -- serverUid; maxJobId, maxWorkerId, maxQueueId, lastSeq: highest numbers among what was deleted; lockProbe: where locks were seen to work; syncs
  CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, header BLOB NOT NULL, is_open INTEGER NOT NULL, cancel_reason TEXT, submitted_at_ms INTEGER NOT NULL,
    running INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    canceled INTEGER NOT NULL DEFAULT 0, aborted INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,
    task_count INTEGER NOT NULL DEFAULT 0, finished_at_ms INTEGER, completed INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX jobs_live ON jobs (id) WHERE completed = 0;

  CREATE TABLE submits (
    job INTEGER NOT NULL, idx INTEGER NOT NULL, task_ids TEXT NOT NULL, at_ms INTEGER NOT NULL, payload BLOB NOT NULL,
    PRIMARY KEY (job, idx)
  );

  -- One row per task that was ever given to a worker. Task columns that are NULL cost a byte.
  CREATE TABLE tasks (
    job INTEGER NOT NULL, task INTEGER NOT NULL, state INTEGER NOT NULL, instance INTEGER NOT NULL, worker INTEGER,
    variant INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0,
    started_at_ms INTEGER, finished_at_ms INTEGER,
    wall_ms REAL, user_ms REAL, system_ms REAL, max_rss_bytes INTEGER,
    failure INTEGER, error TEXT, exit_code INTEGER, signal TEXT,
    PRIMARY KEY (job, task)
  ) WITHOUT ROWID;

  CREATE TABLE bulk_ends (
    id INTEGER PRIMARY KEY, job INTEGER NOT NULL, task_ids TEXT NOT NULL, state INTEGER NOT NULL, at_ms INTEGER NOT NULL, error TEXT
  );
  CREATE INDEX bulk_ends_of_job ON bulk_ends (job);

  CREATE TABLE workers (
    id INTEGER PRIMARY KEY, session TEXT NOT NULL, configuration BLOB NOT NULL, connected_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER, end_reason TEXT
  );
  CREATE INDEX workers_live ON workers (id) WHERE ended_at_ms IS NULL;
  -- Apart from the workers, because it changes with every frame and a page holds many of these.
  CREATE TABLE worker_seqs (worker INTEGER PRIMARY KEY, seq INTEGER NOT NULL);

  -- One row per batch that had events; at_ms is the time of its last one.
  CREATE TABLE events (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, payload BLOB NOT NULL);

  -- Jobs that were forgotten and whose tasks are still being deleted, a slice at a time.
  CREATE TABLE garbage (job INTEGER PRIMARY KEY);
`;

const VERSION_2 = 'ALTER TABLE tasks ADD COLUMN peak_mem_bytes INTEGER';

/** When the next attempt of a waiting task may start, if that is not at once; ids of the workers of a multi-node task, comma separated. */
const VERSION_3 = 'ALTER TABLE tasks ADD COLUMN due_at_ms INTEGER; ALTER TABLE tasks ADD COLUMN gang TEXT';

/** Allocation queues, and their allocations until they are pruned; `body` is the record of the server, packed. */
const VERSION_4 = `
  CREATE TABLE queues (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
  CREATE TABLE allocations (
    queue INTEGER NOT NULL, number INTEGER NOT NULL, ended_at_ms INTEGER, body BLOB NOT NULL, PRIMARY KEY (queue, number)
  ) WITHOUT ROWID;
`;

/** The n-th entry makes version n + 1 out of version n. Entries are never changed once released. */
const MIGRATIONS: readonly string[] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4];

/** The version that this program writes. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/**
 * Brings an opened database to this version, in one transaction.
 * @returns a sentence that says why it cannot be used, or null
 */
export function migrate(db: Database): string | null {
  const version = db.pragma('user_version', { simple: true }) as number;
  const applicationId = db.pragma('application_id', { simple: true }) as number;
  const isEmpty = db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  if (!isEmpty && applicationId !== APPLICATION_ID) return 'it is a database of another program';
  if (version > SCHEMA_VERSION) {
    return `it was written by a newer version of hq-bridge (schema ${version}, this one knows ${SCHEMA_VERSION})`;
  }
  if (version === SCHEMA_VERSION) return null;
  db.transaction(() => {
    for (const sql of MIGRATIONS.slice(version)) db.exec(sql);
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  }).immediate();
  return null;
}
