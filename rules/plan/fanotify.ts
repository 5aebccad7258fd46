import type { NumberSlot, Placed } from './placed.ts';

/** What fanotify asks about. */
export type FanotifyQuestion = 'open' | 'exec';

/** The hooks that fanotify can stand for where a kernel has no LSM. */
export const ASKED_BY_FANOTIFY = { 'lsm/file_open': 'open', 'lsm/bprm_check_security': 'exec' } as const;

/** Whether fanotify can stand for a hook. */
export const isAskedByFanotify = (hook: string): hook is keyof typeof ASKED_BY_FANOTIFY =>
  Object.hasOwn(ASKED_BY_FANOTIFY, hook);

/** The name that audit records and listings have for fanotify in a hook's place; the hook's own where it has none. */
export const fanotifyName = (hook: string): string =>
  isAskedByFanotify(hook) ? `fanotify/${ASKED_BY_FANOTIFY[hook]}` : hook;

/** Numbers that are known of the caller and of the file. */
const KNOWN: ReadonlySet<NumberSlot['slot']> = new Set([
  'tgid',
  'tid',
  'uid',
  'gid',
  'loginuid',
  'dev',
  'devMajor',
  'devMinor',
  'ino',
  'typechar',
]);

const NAMES: Partial<Record<NumberSlot['slot'], string>> = {
  access: 'fanotify does not say how a file is opened',
  create: 'fanotify does not say how a file is opened',
};

/** Why fanotify can't decide a predicate of a hook that it stands for; undefined where it can. */
export const beyondFanotify = (placed: Placed): string | undefined => {
  if (placed.kind === 'constant') return undefined;
  if (placed.kind === 'user') return placed.reason;
  const { kernel } = placed;
  switch (kernel.place) {
    case 'scope':
    case 'facts':
      return undefined;
    case 'process':
      return kernel.depth === 0 ? undefined : 'ancestors are not looked at while the call waits for an answer';
    case 'string':
      return kernel.of === 'file' && kernel.part !== 'raw' ? undefined : 'the working directory is not looked at';
    case 'number': {
      const { slot } = kernel.of;
      return KNOWN.has(slot) ? undefined : (NAMES[slot] ?? 'it is not looked at while the call waits for an answer');
    }
    default:
      return 'it is about sockets';
  }
};
