/** Incremental parser of server-sent events. Pure; used by the event reader. */

export interface SseMessage {
  /** The last id so far; empty before the first. */
  readonly id: string;
  readonly event: string;
  /** Null for a block without data: it only sets the id. */
  readonly data: string | null;
}

export class SseParser {
  private readonly decoder = new TextDecoder();
  private rest = '';
  private id = '';
  private event = '';
  private data: string[] = [];
  private touched = false;

  /** @returns the messages that this chunk completes; chunks may end anywhere */
  push(chunk: Uint8Array): SseMessage[] {
    const lines = (this.rest + this.decoder.decode(chunk, { stream: true })).split('\n');
    this.rest = lines.pop() as string;
    const messages: SseMessage[] = [];
    for (const raw of lines) {
      const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
      if (line !== '') this.field(line);
      else if (this.touched) messages.push(this.take());
    }
    return messages;
  }

  private field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + (line[colon + 1] === ' ' ? 2 : 1));
    if (name === 'id') this.id = value;
    else if (name === 'event') this.event = value;
    else if (name === 'data') this.data.push(value);
    else return;
    this.touched = true;
  }

  private take(): SseMessage {
    const message = { id: this.id, event: this.event, data: this.data.length === 0 ? null : this.data.join('\n') };
    this.event = '';
    this.data = [];
    this.touched = false;
    return message;
  }
}
