import { diagnosticsOf } from '../../../policies/index.ts';

/** What a kind of mistake in a scenario needs to know to be put in words. */
interface Details {
  readonly 'file-unreadable': { readonly path: string; readonly reason: string };
  readonly 'several-documents': { readonly expected: string };
  readonly 'not-a-scenario': { readonly found: string; readonly expected: string };
  readonly 'unknown-scenario': { readonly scenario: string; readonly expected: string; readonly nearest?: string };
  readonly 'no-such-variant': {
    readonly scenario: string;
    readonly variant: string;
    readonly expected: string;
    readonly nearest?: string;
  };
  readonly 'no-call': { readonly where: string; readonly expected: string };
  readonly 'several-calls': { readonly where: string; readonly calls: readonly string[]; readonly expected: string };
  readonly 'unknown-call': { readonly call: string; readonly expected: string; readonly nearest?: string };
  readonly 'not-in-ia32': { readonly call: string; readonly expected: string };
  readonly 'not-in-io-uring': { readonly call: string; readonly expected: string };
  readonly 'unknown-key': {
    readonly key: string;
    readonly where: string;
    readonly expected: string;
    readonly nearest?: string;
  };
  readonly 'key-twice': { readonly key: string; readonly where: string; readonly expected: string };
  readonly 'missing-key': { readonly key: string; readonly where: string; readonly expected: string };
  readonly 'wrong-value': {
    readonly where: string;
    readonly found: string;
    readonly expected: string;
    readonly nearest?: string;
  };
  readonly 'too-many-arguments': {
    readonly where: string;
    readonly found: number;
    readonly expected: string;
  };
  readonly 'nothing-changes': {
    readonly where: string;
    readonly state: string;
    readonly line: number;
    readonly expected: string;
  };
  readonly 'agent-hangs': { readonly where: string; readonly line: number; readonly expected: string };
  readonly 'unknown-process': { readonly process: string; readonly expected: string; readonly nearest?: string };
  readonly 'unknown-descriptor': { readonly name: string; readonly expected: string; readonly nearest?: string };
  readonly 'unknown-step': { readonly step: string; readonly expected: string; readonly nearest?: string };
  readonly 'duplicate-step': { readonly step: string; readonly line: number; readonly expected: string };
  readonly 'not-in-host': {
    readonly noun: string;
    readonly name: string;
    readonly expected: string;
    readonly nearest?: string;
  };
  readonly 'duplicate-variant': { readonly variant: string; readonly line: number; readonly expected: string };
  readonly 'not-one-change': { readonly where: string; readonly targets: readonly string[]; readonly expected: string };
  readonly 'change-misplaced': {
    readonly where: string;
    readonly target: string;
    readonly wanted: boolean;
    readonly expected: string;
  };
  readonly 'unknown-variant': { readonly variant: string; readonly expected: string; readonly nearest?: string };
  readonly 'variants-in-circle': { readonly circle: readonly string[]; readonly expected: string };
  readonly 'duplicate-process': { readonly process: string; readonly line: number; readonly expected: string };
  readonly 'nobody-listens': { readonly port: number; readonly expected: string };
}

const meant = (nearest: string | undefined): string => (nearest === undefined ? '.' : `; did you mean "${nearest}"?`);

/** Makes a diagnostic of a scenario and its words. */
// biome-ignore format: one message a line reads as a table
export const scenarioDiagnostic = diagnosticsOf<Details>({
  'file-unreadable': ({ path, reason }) => `"${path}" could not be read: ${reason}.`,
  'several-documents': ({ expected }) => `This file holds several YAML documents; expected ${expected}.`,
  'not-a-scenario': ({ found, expected }) => `Expected ${expected}, but found ${found}.`,
  'unknown-scenario': ({ scenario, expected, nearest }) => `There is no scenario "${scenario}"; expected ${expected}${meant(nearest)}`,
  'no-such-variant': ({ scenario, variant, expected, nearest }) => `"${scenario}" has no variant "${variant}"; expected ${expected}${meant(nearest)}`,
  'no-call': ({ where, expected }) => `${where} says nothing to do; expected ${expected}.`,
  'several-calls': ({ where, calls }) => `${where} has the calls ${calls.join(' and ')}; make a step of each.`,
  'unknown-call': ({ call, nearest }) => `There is no call "${call}"${meant(nearest)}`,
  'not-in-ia32': ({ call, expected }) => `The table of 32-bit calls has no ${call}; expected ${expected}.`,
  'not-in-io-uring': ({ call, expected }) => `io_uring has no operation that does what ${call} does; expected ${expected}.`,
  'unknown-key': ({ key, where, nearest }) => `${where} has no key "${key}"${meant(nearest)}`,
  'key-twice': ({ key, where }) => `${where} has "${key}" twice; leave one of them out.`,
  'missing-key': ({ key, where, expected }) => `${where} lacks "${key}"; expected ${expected}.`,
  'wrong-value': ({ where, found, expected, nearest }) => `${where} is ${found}; expected ${expected}${meant(nearest)}`,
  'too-many-arguments': ({ where, found, expected }) => `${where} has ${found} arguments; expected ${expected}.`,
  'nothing-changes': ({ where, state, line, expected }) => `${where} changes nothing: ${state}${line === 0 ? '' : ` since line ${line}`}; expected ${expected}.`,
  'agent-hangs': ({ where, line, expected }) => `${where} can't happen while the agent hangs, since line ${line}; expected ${expected}.`,
  'unknown-process': ({ process, nearest }) => `No process is called "${process}" here${meant(nearest)}`,
  'unknown-descriptor': ({ name, nearest }) => `No step before opened "${name}"${meant(nearest)}`,
  'unknown-step': ({ step, nearest }) => `No step has the id "${step}"${meant(nearest)}`,
  'duplicate-step': ({ step, line }) => `The id "${step}" is already that of the step in line ${line}; give one of them another id.`,
  'not-in-host': ({ noun, name, nearest }) => `The host has no ${noun} "${name}"${meant(nearest)}`,
  'duplicate-variant': ({ variant, line }) => `The variant "${variant}" is already there, from line ${line}; give one of them another name.`,
  'not-one-change': ({ where, targets }) => targets.length === 0 ? `${where} changes nothing; a variant changes one thing.` : `${where} changes ${targets.join(' and ')}; a variant changes one thing: make one of each, and build one on the other with "of".`,
  'change-misplaced': ({ where, target, wanted }) => wanted ? `${where} lacks "change": what of the ${target} is other.` : `${where} has "change" beside "${target}", which says it all; leave it out.`,
  'unknown-variant': ({ variant, nearest }) => `There is no variant "${variant}" to build on${meant(nearest)}`,
  'variants-in-circle': ({ circle }) => `The variants build on one another in a circle: ${circle.join(', ')}.`,
  'duplicate-process': ({ process, line }) => `The process "${process}" is already there, from line ${line}; give one of them another name.`,
  'nobody-listens': ({ port }) => `Nobody listens on port ${port}; give a process "listen: [0.0.0.0:${port}]".`,
});
