import { askingTaskProgram, SNAPSHOT_MAP } from '../../../rules/index.ts';
import type { Gate, GateOptions } from '../../kernel.ts';
import { kernelBtf } from '../btf.ts';
import { type Cgroups, cgroupLevel } from '../cgroups.ts';
import { loadProgram } from '../load-program.ts';
import { createLinuxMap, type LinuxMap } from '../map.ts';
import { type Responder, type StartResponder, startResponder } from './start.ts';

export { tryGroup } from './group.ts';
export type { StartResponder } from './start.ts';

/** How the process that answers is run; for tests. */
export interface GateSettings {
  /** Milliseconds after which a file may be opened that nothing was said about; default 250. */
  readonly limitMs?: number;
  /** Milliseconds that each answer is held back; default none. */
  readonly holdMs?: number;
  readonly start?: StartResponder;
}

const LIMIT_MS = 250;

/** Has the kernel ask a process of its own before it opens or executes files of some mounts. @throws Error with a sentence */
export const openGate = async (
  { mounts, scope, task, maps, onAnswered, onProblem, onEnd }: GateOptions,
  cgroups: Cgroups,
  mapOf: (name: string) => LinuxMap | undefined,
  { limitMs = LIMIT_MS, holdMs, start }: GateSettings = {},
): Promise<Gate> => {
  const id = cgroups.id(scope);
  if (id === undefined) throw new Error(`there is no cgroup ${scope}; cgroup v2 paths begin with "/"`);
  const room = createLinuxMap(SNAPSHOT_MAP);
  const closers = [room.close];
  let isClosing = false;
  let responder: Responder | undefined;
  try {
    const spec = askingTaskProgram({ id, level: cgroupLevel(scope) });
    const program = loadProgram(spec, (name) => (name === SNAPSHOT_MAP.name ? room.fd : undefined), kernelBtf());
    closers.push(program.close);
    responder = startResponder({
      task,
      mounts,
      limitMs,
      ...(holdMs !== undefined && { holdMs }),
      start,
      program: program.fd,
      maps: task.maps.flatMap((name) => {
        const map = maps.has(name) ? mapOf(name) : undefined;
        return map === undefined ? [] : [{ spec: map.spec, fd: map.fd }];
      }),
      onLine: (line) => {
        if (line.kind === 'answered') onAnswered(line);
        else if (line.kind === 'failed')
          onProblem(`fanotify: who opens a file could not be found out, and it was let through (${line.why})`);
        else onProblem(`fanotify: ${line.lines} reports were not taken in time and are lost`);
      },
    });
    await responder.ready;
  } catch (error) {
    await responder?.close();
    throw error;
  } finally {
    for (const close of closers) close();
  }
  const running = responder;
  void running.ended.then((why) => {
    if (!isClosing) onEnd(why);
  });
  return {
    close: async () => {
      isClosing = true;
      await running.close();
    },
  };
};
