import { parseSection, relocate } from '../../engine/object/index.ts';
import { LAYER, SNAPSHOT, SNAPSHOT_MAP, STRING, STRING_STATE, snapshotProgram } from '../../rules/index.ts';
import type { ProcessFacts } from '../kernel.ts';
import { btfIdOf, kernelBtf } from './btf.ts';
import { type Cgroups, cgroupLevel } from './cgroups.ts';
import { createLink } from './link.ts';
import { createLinuxMap } from './map.ts';
import { loadLinuxProgram } from './program.ts';

/** Bytes of task_struct.comm without its NUL. */
const NAME_BYTES = 15;
const decoder = new TextDecoder();

/** Reads what the processes of a scope are, by an iterator over tasks. */
export interface Snapshots {
  /** Every living process of the scope, once; by pid. */
  read(): readonly ProcessFacts[];
  close(): void;
}

/** Loads the snapshot's program for a scope; it runs only when it is read. @throws BpfError where the kernel refuses it, Error */
export function openSnapshots(cgroups: Cgroups, scope: string): Snapshots {
  const id = cgroups.id(scope);
  if (id === undefined) throw new Error(`there is no cgroup ${scope}; cgroup v2 paths begin with "/"`);
  const spec = snapshotProgram({ id, level: cgroupLevel(scope) });
  const section = parseSection(spec.hook);
  const attachBtfId = btfIdOf('func', 'bpf_iter_task');
  if (attachBtfId === undefined) throw new Error("this kernel's BTF has no iterator over tasks (bpf_iter_task)");
  const map = createLinuxMap(SNAPSHOT_MAP);
  try {
    const program = loadLinuxProgram({
      name: spec.name,
      instructions: relocate(spec, (name) => (name === SNAPSHOT_MAP.name ? map.fd : undefined), kernelBtf()),
      programType: section.programType,
      ...(section.attachType !== undefined && { attachType: section.attachType }),
      attachBtfId,
      sleepable: true,
    });
    try {
      const link = createLink(program.fd, section, `program "${spec.name}" (${spec.hook})`);
      return {
        read: () => factsOf(link.read(), cgroups, scope),
        close() {
          link.close();
          program.close();
          map.close();
        },
      };
    } catch (error) {
      program.close();
      throw error;
    }
  } catch (error) {
    map.close();
    throw error;
  }
}

const LAYERS = new Map<number, 'upper' | 'lower' | 'none'>([
  [LAYER.none, 'none'],
  [LAYER.lower, 'lower'],
  [LAYER.upper, 'upper'],
]);

/** What is known of the program and its file. */
function imageOf(view: DataView, at: number, envAt: number): Partial<ProcessFacts> {
  const number = (offset: number): bigint | undefined => view.getBigUint64(at + offset, true) || undefined;
  const [exeIno, exeCtime, exeMtime] = [SNAPSHOT.ino, SNAPSHOT.changed, SNAPSHOT.modified].map(number);
  const layer = LAYERS.get(view.getUint8(at + SNAPSHOT.layer));
  const env = new Uint8Array(view.buffer, view.byteOffset + envAt, view.getUint32(at + SNAPSHOT.envLength, true));
  return {
    ...(view.getUint8(at + SNAPSHOT.envState) === 1 && { env: argumentsOf(env) }),
    ...(layer !== undefined && { layer }),
    ...(exeIno !== undefined && { exeIno }),
    ...(exeCtime !== undefined && { exeCtime }),
    ...(exeMtime !== undefined && { exeMtime }),
  };
}

function factsOf(bytes: Uint8Array, cgroups: Cgroups, scope: string): readonly ProcessFacts[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const facts = new Map<string, ProcessFacts>();
  for (let at = 0; at + SNAPSHOT.size <= bytes.length; ) {
    const argvLength = view.getUint32(at + SNAPSHOT.argvLength, true);
    const argvAt = at + SNAPSHOT.size;
    const argvState = view.getUint8(at + SNAPSHOT.argvState);
    const pid = view.getUint32(at + SNAPSHOT.pid, true);
    const start = view.getBigUint64(at + SNAPSHOT.start, true);
    const key = `${pid} ${start}`;
    if (!facts.has(key) || argvState !== 0) {
      const exe = stringAt(view, at + SNAPSHOT.exe);
      facts.set(key, {
        pid,
        start,
        parentPid: view.getUint32(at + SNAPSHOT.parentPid, true),
        parentStart: view.getBigUint64(at + SNAPSHOT.parentStart, true),
        name: nameOf(textAt(bytes, at + SNAPSHOT.filename), textAt(bytes, at + SNAPSHOT.comm)),
        exepath: argvState === 0 ? '' : exe,
        argv: argvOf(argvState, bytes.subarray(argvAt, argvAt + argvLength)),
        memfd: view.getUint8(at + SNAPSHOT.memfd) === 1,
        uid: view.getUint32(at + SNAPSHOT.uid, true),
        cgroup: cgroups.path(view.getBigUint64(at + SNAPSHOT.cgroup, true)) ?? scope,
        asOf: view.getBigUint64(at + SNAPSHOT.asOf, true),
        ...imageOf(view, at, argvAt + argvLength),
      });
    }
    at = argvAt + argvLength + view.getUint32(at + SNAPSHOT.envLength, true);
  }
  return [...facts.values()];
}

/** Bytes up to a NUL. */
function textAt(bytes: Uint8Array, at: number): string {
  return decoder.decode(bytes.subarray(at, bytes.indexOf(0, at)));
}

function stringAt(view: DataView, at: number): string | undefined {
  if (view.getUint8(at + STRING.state) !== STRING_STATE.present) return undefined;
  const length = view.getUint16(at + STRING.length, true);
  return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at + STRING.data, length));
}

/** None of a kernel thread; unknown where they can't be read, as while an exec has not laid them out yet: a program has at least one. */
function argvOf(state: number, bytes: Uint8Array): readonly string[] | undefined {
  if (state === 0) return [];
  return state === 1 && bytes.length > 0 ? argumentsOf(bytes) : undefined;
}

function argumentsOf(bytes: Uint8Array): readonly string[] {
  const argv = decoder.decode(bytes).split('\0');
  if (argv.at(-1) === '') argv.pop();
  return argv;
}

/**
 * comm as of exec: the last component of what was executed (fs/exec.c), cut as the kernel cuts it, since a task can rename itself. What was
 * executed by descriptor has no such name.
 */
function nameOf(filename: string, comm: string): string {
  if (filename === '' || filename.startsWith('/dev/fd/')) return comm;
  const name = filename.slice(filename.lastIndexOf('/') + 1);
  const bytes = new TextEncoder().encode(name);
  return bytes.length === 0 ? comm : decoder.decode(bytes.subarray(0, NAME_BYTES));
}
