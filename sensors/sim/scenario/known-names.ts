import { EXECUTES, FORKS } from './forms.ts';
import type { Action } from './scenario.ts';

/** The processes that every host has, by the names that steps call them. */
export const USUAL_PROCESSES = ['systemd', 'sshd', 'bash'] as const;

/** Names of open files that mean something in every process. */
const USUAL_DESCRIPTORS = [
  'file',
  'socket',
  'listener',
  'memfd',
  'last',
  'stdin',
  'stdout',
  'stderr',
  'pipe.read',
  'pipe.write',
];

const OPENS: ReadonlySet<string> = new Set(['open', 'openat', 'openat2', 'creat', 'memfd_create']);

/** What steps may name: the processes and open files of the steps before. */
export interface KnownNames {
  /** The process that acts where a step doesn't say: for exec the shell, else whichever was started last. */
  actor(executes: boolean): string;
  hasProcess(name: string): boolean;
  processes(): readonly string[];
  hasDescriptor(name: string): boolean;
  descriptors(): readonly string[];
  /** Takes note of what a step starts and opens; the new process's name, undefined where none is started. */
  start(call: string, action: Action | 'nothing-to-execute' | undefined, as: string | undefined): string | undefined;
}

const lastPart = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** @param processes names of those that the scenario declares */
export const createKnownNames = (processes: readonly string[]): KnownNames => {
  const names = new Set<string>([...USUAL_PROCESSES, ...processes]);
  const descriptors = new Set<string>(USUAL_DESCRIPTORS);
  let last = 'bash';
  const started = (name: string): string => {
    names.add(name);
    last = name;
    return name;
  };
  return {
    actor: (executes) => (executes ? 'bash' : last),
    hasProcess: (name) => names.has(name),
    processes: () => [...names],
    hasDescriptor: (name) => descriptors.has(name) || /^\d+$/.test(name),
    descriptors: () => [...descriptors],
    start: (call, action, as) => {
      if (call === 'exec') {
        if (as !== undefined) return started(as);
        if (typeof action !== 'object' || action.kind !== 'exec') return undefined;
        const { program, argv } = action;
        return started(lastPart(program.kind === 'path' ? program.path : (argv[0] ?? program.name)));
      }
      if (FORKS.has(call)) return started(as ?? 'child');
      if (EXECUTES.has(call)) return as === undefined ? undefined : started(as);
      if (typeof action === 'object' && action.kind === 'call' && OPENS.has(call)) {
        for (const argument of action.arguments) {
          if (argument.kind === 'literal' && typeof argument.value === 'string') descriptors.add(argument.value);
        }
      }
      return undefined;
    },
  };
};
