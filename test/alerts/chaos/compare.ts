import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'nats';

/** An alert, in a log or in a stream: its number and its JSON. */
interface Held {
  readonly seq: number;
  readonly text: string;
}

const BODY = /"kind":"alert","body":(.*),"crc32c":"[0-9a-f]{8}"\}$/;

/** The alerts of a log, read as plain lines. */
export const alertsInLog = (folder: string): readonly Held[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
    .flatMap((line) => {
      const text = BODY.exec(line)?.[1];
      return text === undefined ? [] : [{ seq: (JSON.parse(line) as { seq: number }).seq, text }];
    });

/** The alerts of each host in the stream, in its order, read by a plain client. */
export const alertsInStream = async (servers: string): Promise<ReadonlyMap<string, readonly Held[]>> => {
  const connection = await connect({ servers: servers.split(',') });
  try {
    const manager = await connection.jetstreamManager({ timeout: 30_000 });
    const { state } = await manager.streams.info('SHRIKE_ALERTS');
    const held = new Map<string, Held[]>();
    let left = state.messages;
    if (left === 0) return held;
    const consumer = await connection.jetstream({ timeout: 30_000 }).consumers.get('SHRIKE_ALERTS');
    for await (const message of await consumer.consume({ max_messages: 1_000 })) {
      const text = message.string();
      const { host, seq } = JSON.parse(text) as { host: string; seq: number };
      const ofHost = held.get(host) ?? [];
      ofHost.push({ seq, text });
      held.set(host, ofHost);
      if (--left === 0) break;
    }
    return held;
  } finally {
    await connection.close();
  }
};

/** How what a stream holds differs from what a log committed. */
export interface Difference {
  readonly lost: number;
  readonly doubled: number;
  /** Alerts that stand behind a later one. */
  readonly outOfOrder: number;
  /** Alerts whose text isn't the log's. */
  readonly changed: number;
}

export const compare = (log: readonly Held[], stream: readonly Held[]): Difference => {
  const texts = new Map(log.map(({ seq, text }) => [seq, text]));
  const seen = new Set(stream.map(({ seq }) => seq));
  return {
    lost: log.filter(({ seq }) => !seen.has(seq)).length,
    doubled: stream.length - seen.size,
    outOfOrder: stream.filter(({ seq }, index) => seq < (stream[index - 1]?.seq ?? 0)).length,
    changed: stream.filter(({ seq, text }) => texts.get(seq) !== text).length,
  };
};

export const NO_DIFFERENCE: Difference = { lost: 0, doubled: 0, outOfOrder: 0, changed: 0 };
