import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';

type Data = string | readonly number[] | null;
type Step = readonly [uid: number, name: string, args: readonly (number | string)[], result: number, data: Data];

/** Recorded by record-linux-calls.py: a line of this, then a line for each sequence. */
interface Recording {
  readonly system: string;
  readonly folders: readonly (readonly [path: string, mode: number, uid: number])[];
  readonly files: readonly (readonly [path: string, mode: number, uid: number, text: string])[];
}

const [first = '', ...rest] = readFileSync(new URL('linux-calls.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n');
const recording = JSON.parse(first) as Recording;
const sequences = rest.map((line) => JSON.parse(line) as readonly Step[]);

const ADDRESS = 0x1000;
const JAIL = '/jail';

const build = (): { host: SimHost; actors: ReadonlyMap<number, SimTask> } => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  host.fs.mkdir(JAIL);
  for (const [path, mode, uid] of recording.folders) host.fs.mkdir(JAIL + path, mode, uid, uid);
  for (const [path, mode, uid, text] of recording.files) host.fs.write(JAIL + path, text, mode, uid, uid);
  host.fs.write(`${JAIL}/dev/null`, '', 0o666);
  const actors = [0, 1000].map((uid): [number, SimTask] => {
    const task = host.spawn({ exepath: '/usr/bin/bash' });
    host.call(task, 'chroot', [JAIL]);
    host.call(task, 'chdir', ['/']);
    if (uid !== 0) {
      host.call(task, 'setgid', [uid]);
      host.call(task, 'setuid', [uid]);
    }
    return [uid, task];
  });
  return { host, actors: new Map(actors) };
};

/** What the recording keeps of a call's data: text, or a file's nlink, mode, uid, gid and, for no directory, size. */
const dataOf = (name: string, data: Uint8Array | undefined): Data => {
  if (data === undefined) return null;
  if (!name.endsWith('stat') && name !== 'newfstatat') return String.fromCharCode(...data);
  const view = new DataView(data.buffer, data.byteOffset);
  const mode = view.getUint32(24, true);
  const facts = [Number(view.getBigUint64(16, true)), mode, view.getUint32(28, true), view.getUint32(32, true)];
  return (mode & 0o170000) === 0o040000 ? facts : [...facts, Number(view.getBigInt64(48, true))];
};

describe(`random calls give what ${recording.system} gave`, () => {
  for (const [index, steps] of sequences.entries())
    it(`sequence ${index + 1}`, () => {
      const { host, actors } = build();
      for (const [number, [uid, name, args, result, data]] of steps.entries()) {
        const task = actors.get(uid);
        if (!task) throw new Error(`the recording has no process of uid ${uid}`);
        const answer = host.call(
          task,
          name,
          args.map((argument) => (argument === '$buffer' ? ADDRESS : argument)),
        );
        const got = [answer.result, data === null ? null : (dataOf(name, answer.data) ?? '')];
        expect(got, `step ${number + 1}: uid ${uid} ${name}(${JSON.stringify(args)})`).toEqual([result, data]);
      }
    });

  it('covers successes and failures of every call', () => {
    const steps = sequences.flat();
    expect(steps.length).toBeGreaterThanOrEqual(3000);
    expect(steps.filter(([, , , result]) => result >= 0).length / steps.length).toBeGreaterThan(0.25);
    expect(new Set(steps.map(([, name]) => name)).size).toBeGreaterThanOrEqual(50);
  });
});
