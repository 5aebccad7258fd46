import type { HookName } from '../../engine/object/index.ts';
import {
  beforeEffect,
  type EventType,
  fieldOf,
  IO_URING_HOOK,
  OPEN_EVENTS,
  requestTypeOf,
  type Trust,
} from '../../rules/index.ts';

/** Command lines and environments are the process's own memory as of exec. */
const OWN_MEMORY: ReadonlySet<string> = new Set([
  ...['', 'p', 'a'].flatMap((prefix) => ['exe', 'args', 'cmdline', 'env'].map((fact) => `proc.${prefix}${fact}`)),
  ...['sid', 'pgid', 'vpgid'].map((leader) => `proc.${leader}.exe`),
  'proc.cmdnargs',
  'proc.cmdlenargs',
]);
/** Paths and texts as the caller passed them. */
const PASSED: ReadonlySet<string> = new Set(['fd.nameraw', 'evt.args', 'evt.info', 'evt.abspath']);
/** What is known of a descriptor without looking behind it. */
const BEFORE_THE_FILE: ReadonlySet<string> = new Set(['fd.num', 'fd.uid', 'fd.is_server']);
/** What is read of a file behind a descriptor: contestable only where others share the table. */
const OF_FILES: ReadonlySet<string> = new Set(
  [
    'name',
    'directory',
    'filename',
    'type',
    'typechar',
    'dev',
    'dev.major',
    'dev.minor',
    'ino',
    'containername',
    'containerdirectory',
  ].map((part) => `fd.${part}`),
);
/** Of these, what an open that has not been made yet says by the path that it names. */
const PATHS: ReadonlySet<string> = new Set([
  'fd.name',
  'fd.directory',
  'fd.filename',
  'fd.containername',
  'fd.containerdirectory',
]);
/** Fields that no source gives yet. */
const NEVER_KNOWN: ReadonlySet<string> = new Set(['fd.name_changed']);

/** What a request of io_uring doesn't say when it is submitted: results, new descriptors and what they refer to, arguments that it doesn't keep. */
const hasNoValue = (field: { readonly name: string; readonly argument?: string }, event: EventType): boolean => {
  const { name, argument } = field;
  if (fieldOf(name)?.result) return true;
  if (name === 'evt.arg' || name === 'evt.rawarg') {
    const index = event.arguments.findIndex((candidate) => candidate.name === argument);
    return requestTypeOf(event.type)?.members[index] === undefined;
  }
  if (PASSED.has(name)) return false;
  return (
    event.fd === 'result' &&
    name.startsWith('fd.') &&
    name !== 'fd.is_server' &&
    !(OPEN_EVENTS.includes(event.type) && PATHS.has(name))
  );
};

/**
 * How far a field's value can be trusted at a hook, for an event type: what `fieldsOf` may say of it there where it is present.
 * Any value can also turn out to be unknown: unreadable memory, a path too long.
 */
export const expectedTrust = (
  field: { readonly name: string; readonly argument?: string },
  site: { readonly hook: HookName; readonly event: EventType },
): readonly Trust[] => {
  const { name, argument } = field;
  const { hook, event } = site;
  if (NEVER_KNOWN.has(name) || (hook === IO_URING_HOOK && hasNoValue(field, event))) return ['unknown'];
  if (OWN_MEMORY.has(name)) return ['as passed'];
  if (name === 'proc.cwd') return ['contestable'];
  const passed: Trust = beforeEffect(hook) ? 'resolved' : 'as passed';
  if (name.startsWith('fs.path.')) return [name.endsWith('raw') ? 'as passed' : passed];
  if (PASSED.has(name)) return ['as passed'];
  if (name === 'evt.arg') {
    const kind = event.arguments.find((candidate) => candidate.name === argument)?.kind;
    if (kind === 'path' || kind === 'source' || kind === 'target') return [passed];
    if (kind === 'text') return ['as passed'];
    return kind === 'sockaddr' ? ['contestable'] : ['resolved'];
  }
  if (!name.startsWith('fd.') || BEFORE_THE_FILE.has(name) || beforeEffect(hook)) return ['resolved'];
  if (hook === IO_URING_HOOK) return [OPEN_EVENTS.includes(event.type) ? 'as passed' : 'contestable'];
  const found: readonly Trust[] = OF_FILES.has(name) ? ['resolved', 'contestable'] : ['contestable'];
  return OPEN_EVENTS.includes(event.type) ? [...found, 'as passed'] : found;
};
