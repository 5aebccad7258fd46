import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32c, createSigner, openSeal, type Verifier } from '../alerts/index.ts';
import { packageFolder } from '../policies/index.ts';

/** The command, beside this program in dist/. */
export const SHRIKE = fileURLToPath(new URL('../cli/main.js', import.meta.url));

const SEGMENT_BYTES = 64 << 20;
const HOST = 'bench-1';
/** Between two intrusions. */
const APART_MS = 30_000;
const APART_NS = 1_000_000 * APART_MS;
/** Processes that an intrusion has. */
const PIDS = 16;
/** Pids come again after so many, as on Linux. */
const MOST_PIDS = 4_000_000;
const DIFFERENT_FILES = 997;
const START = Date.parse('2026-01-02T03:04:05.678Z');

/** What differs between two intrusions: the numbers of processes, when they were started, when it was, and the file they brought along. */
const VARIABLE = /"(?:pid|start)":\d+|"time":"[^"]+"|\/tmp\/\.x/g;

/** An entry's body in an intrusion of a given number, as JSON. */
type Body = (intrusion: number) => string;

const variableOf = (text: string): Body => {
  const [, name, value] = /^"(pid|start|time)":(.*)$/.exec(text) ?? [];
  switch (name) {
    case 'pid':
      return (intrusion) => `"pid":${value === '1' ? 1 : 2 + ((Number(value) + PIDS * intrusion) % MOST_PIDS)}`;
    case 'start':
      return (intrusion) => `"start":${Number(value) + (value === '0' ? 0 : APART_NS * intrusion)}`;
    case 'time': {
      const at = Date.parse(`${value?.slice(1, 24)}Z`);
      const nanoseconds = value?.slice(24);
      return (intrusion) => `"time":"${new Date(at + APART_MS * intrusion).toISOString().slice(0, -1)}${nanoseconds}`;
    }
    default:
      return (intrusion) => `/tmp/.x${intrusion % DIFFERENT_FILES}`;
  }
};

const bodyOf = (text: string): Body => {
  const parts: Body[] = [];
  let from = 0;
  for (const { index, 0: found } of text.matchAll(VARIABLE)) {
    const fixed = text.slice(from, index);
    parts.push(() => fixed, variableOf(found));
    from = index + found.length;
  }
  const rest = text.slice(from);
  return (intrusion) => {
    let body = '';
    for (const part of parts) body += part(intrusion);
    return body + rest;
  };
};

/** A line of the log and its newline, from what its checksum covers. */
const lineOf = (covered: string): Uint8Array => {
  const checksum = crc32c(Buffer.from(covered)).toString(16).padStart(8, '0');
  return Buffer.from(`${covered},"crc32c":"${checksum}"}\n`);
};

interface Template {
  readonly kind: string;
  readonly body: Body;
}

/** The entries that the intrusion of `npm start` leaves in a log, each with its kind. */
const playIntrusion = (folder: string): readonly Template[] => {
  const enforcing = ['credential-files', 'execution-from-tmp'].map((name) =>
    packageFolder('policies', 'library', 'enforce', `${name}.yaml`),
  );
  const policies = [packageFolder('policies', 'library'), ...enforcing];
  const run = [
    'run',
    '--scenario',
    'webshell',
    '--enforce',
    '--host',
    HOST,
    '--audit',
    folder,
    '--policies',
    ...policies,
  ];
  const { status, stderr } = spawnSync(process.execPath, [SHRIKE, ...run], { encoding: 'utf8' });
  if (status !== 0 && status !== 1) throw new Error(`shrike run ended with ${status}: ${stderr}`);
  const lines = readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').trimEnd().split('\n'));
  return lines.map((line) => {
    const { kind, body } = JSON.parse(line) as { readonly kind: string; readonly body: unknown };
    return { kind, body: bodyOf(JSON.stringify(body)) };
  });
};

/** A log on disk. */
export interface LargeLog {
  readonly folder: string;
  readonly key: Verifier;
  readonly entries: number;
  readonly bytes: number;
}

/**
 * Writes a sealed log below `parent` of so many alerts: what an agent writes about the intrusion of `npm start`, which comes again every 30 seconds with other
 * processes and files.
 */
export const writeLargeLog = async (parent: string, alerts: number): Promise<LargeLog> => {
  const played = playIntrusion(join(parent, 'played'));
  const isOfIntrusion = ({ kind }: Template): boolean => kind === 'alert' || kind === 'enforcement';
  const intrusion = played.filter(isOfIntrusion);
  const first = played.findIndex(isOfIntrusion);
  const folder = join(parent, 'log');
  mkdirSync(folder, { mode: 0o700 });
  const signer = createSigner(`${HOST}/shrike/0123abcd`);
  writeFileSync(join(folder, 'log.pub'), `${signer.verifier.text}\n`);
  const seal = openSeal(folder, signer);

  let seq = 0;
  let total = 0;
  let segment: number | undefined;
  let segmentBytes = 0;
  let waiting: Uint8Array[] = [];
  const write = (): void => {
    if (segment === undefined || waiting.length === 0) return;
    writeSync(segment, Buffer.concat(waiting));
    waiting = [];
  };
  const close = async (): Promise<void> => {
    write();
    if (segment !== undefined) closeSync(segment);
    segment = undefined;
    segmentBytes = 0;
    await seal.sign();
  };
  const put = ({ kind, body }: Template, number: number): void => {
    segment ??= openSync(join(folder, `audit-${String(seq + 1).padStart(6, '0')}.jsonl`), 'w', 0o600);
    seq++;
    const time = `${new Date(START + APART_MS * number + 10 * (seq % 64)).toISOString().slice(0, -1)}000000Z`;
    const text = body(number).replace(/,"id":"[^"]*","seq":\d+\}$/, `,"id":"${HOST}-${seq}","seq":${seq}}`);
    const line = lineOf(`{"v":1,"seq":${seq},"time":"${time}","kind":"${kind}","body":${text}`);
    seal.add(line.subarray(0, -1));
    waiting.push(line);
    segmentBytes += line.length;
    total += line.length;
  };
  for (const each of played.slice(0, first)) put(each, 0);
  let made = 0;
  for (let number = 0; made < alerts; number++) {
    for (const each of intrusion) {
      if (each.kind === 'alert' && ++made > alerts) break;
      put(each, number);
    }
    if (number % 64 === 0) write();
    if (segmentBytes >= SEGMENT_BYTES) await close();
  }
  await close();
  return { folder, key: signer.verifier, entries: seq, bytes: total };
};
