/** YAML whose fields are known by their lines. Used for job files and configuration files; JSON is YAML. */
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';

/** A parsed text, and where in it a field stands. */
export interface ParsedText {
  readonly value: unknown;
  /** @returns line number from 1; undefined where the parser cannot tell */
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

/**
 * @param fault makes the error of the file; `line` counts from 1
 * @throws what `fault` makes, when the text is no YAML or its aliases lead nowhere
 */
export function parseYaml(text: string, fault: (line: number | undefined, detail: string, cause: unknown) => Error): ParsedText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) throw fault(lines.linePos(error.pos[0]).line, error.message, error);
  try {
    return { value: document.toJS() as unknown, lineOf: (path) => lineIn(document, lines, path) };
  } catch (cause) {
    // Aliases that lead nowhere, or that would make a small file an endless one.
    throw fault(undefined, (cause as Error).message, cause);
  }
}

/** The line of the innermost part of the path that is there: what is missing has none. */
function lineIn(document: Document.Parsed, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range != null) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}
