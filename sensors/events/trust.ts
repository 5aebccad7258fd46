import type { HookName } from '../../engine/object/index.ts';
import { beforeEffect, type EventType, OPEN_EVENTS, type Trust } from '../../rules/index.ts';

/** Command lines are the process's own memory as of exec. */
const OWN_MEMORY: ReadonlySet<string> = new Set(
  ['', 'p', 'a'].flatMap((prefix) => ['exe', 'args', 'cmdline'].map((fact) => `proc.${prefix}${fact}`)),
);
/** What is read of a file behind a descriptor: contestable only where others share the table. */
const OF_FILES: ReadonlySet<string> = new Set(
  ['name', 'directory', 'filename', 'type', 'typechar', 'dev', 'ino'].map((part) => `fd.${part}`),
);
/** Fields that no source gives yet. */
const NEVER_KNOWN: ReadonlySet<string> = new Set(['fd.l4proto', 'fd.connected', 'fd.name_changed']);

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
  if (NEVER_KNOWN.has(name)) return ['unknown'];
  if (OWN_MEMORY.has(name)) return ['as passed'];
  if (name === 'proc.cwd') return ['contestable'];
  if (name.startsWith('fs.path.')) return ['as passed'];
  if (name === 'evt.arg') {
    const kind = event.arguments.find((candidate) => candidate.name === argument)?.kind;
    if (kind === 'path' || kind === 'source' || kind === 'target') return ['as passed'];
    return kind === 'sockaddr' ? ['contestable'] : ['resolved'];
  }
  if (!name.startsWith('fd.') || name === 'fd.num' || beforeEffect(hook)) return ['resolved'];
  const found: readonly Trust[] = OF_FILES.has(name) ? ['resolved', 'contestable'] : ['contestable'];
  return OPEN_EVENTS.includes(event.type) ? [...found, 'as passed'] : found;
};
