/** Names of files in a server directory. Apart from the schemas of their contents, so that a short command does not load zod. */

/** Written once per identity (uid, tokens); its presence makes a directory an identity. */
export const IDENTITY_FILE = 'identity.json';
export const CLIENT_ACCESS_FILE = 'access.json';
export const WORKER_ACCESS_FILE = 'worker-access.json';
/** Symlink in the server directory to the identity in use. */
export const CURRENT_LINK = 'hq-current';
/** Subdirectory of an identity into which dying workers put results that they could not deliver. */
export const SPOOL_DIR = 'spool';
