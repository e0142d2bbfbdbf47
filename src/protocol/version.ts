/** Versions: the product's own and the protocol's. Same protocol major is accepted, another refused with one line. */

/** Released version; equals package.json (checked by a test). */
export const VERSION = '0.1.0';

/** Oldest Node that runs it; equals `engines` in package.json (checked by a test). */
export const NODE_NEEDED = '20.19';

/**
 * Major changes break, minor changes add. 1.1: `member` to workers, `warm` and `wrapper` in bodies of tasks, `room` and messages of tasks in workers' updates,
 * `notice` of workers.
 */
export const PROTOCOL = { major: 1, minor: 1 } as const;

/** Since this minor version a worker understands `member`. */
export const MEMBER_SINCE_MINOR = 1;

/** `1.0` */
export const PROTOCOL_TEXT: string = `${PROTOCOL.major}.${PROTOCOL.minor}`;
