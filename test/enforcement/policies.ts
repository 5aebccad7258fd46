import type { Rule } from '../../rules/index.ts';
import type { Random } from '../support/random.ts';
import { ruleOf } from '../support/rules.ts';

/** What a task does, in the model's words. */
export type Deed =
  | { readonly kind: 'open'; readonly path: string; readonly write: boolean }
  | { readonly kind: 'exec'; readonly path: string; readonly evil: boolean }
  | { readonly kind: 'connect'; readonly address: string; readonly port: number };

/** What the kernel can know of who does it; a process that was never seen to exec has no name that counts. */
export interface Doer {
  readonly name: string | undefined;
  readonly cgroup: string;
}

/** A rule, and the same said in JavaScript. */
export interface RandomRule {
  readonly rule: Rule;
  readonly kind: Deed['kind'];
  /** Whether it certainly matches. At the exec of a new program `doer` is the new one where the rule kills. */
  matches(deed: Deed, doer: Doer): boolean;
}

export const OPENED = [0, 1, 2, 3, 4, 5].map((number) => `/srv/p${number}`);
export const PROTECTED = '/usr/bin/guarded';
export const COPY = '/tmp/guarded';
export const PROGRAMS = [PROTECTED, COPY, '/usr/bin/tool', '/usr/bin/other', '/tmp/x'];
export const ADDRESSES = ['203.0.113.5', '203.0.113.6'];
export const PORTS = [443, 4444];
export const CGROUPS = ['/s/a', '/s/b', '/t'];
const NAMES = ['tool', 'other', 'guarded', 'x', 'systemd'];
const SCOPES = ['/', '/', '/s', '/s/a', '/t'];

type Part<Kind extends Deed['kind']> = readonly [
  text: string,
  holds: (deed: Deed & { readonly kind: Kind }, doer: Doer) => boolean,
];

const opens = (random: Random): Part<'open'> => {
  const [one, other] = [random.pick(OPENED), random.pick(OPENED)];
  return random.pick<Part<'open'>>([
    [`fd.name = ${one}`, ({ path }) => path === one],
    [`fd.name in (${one}, ${other})`, ({ path }) => path === one || path === other],
    ['fd.name startswith /srv/p', ({ path }) => path.startsWith('/srv/p')],
    [`fd.name startswith /srv/ and not fd.name = ${one}`, ({ path }) => path.startsWith('/srv/') && path !== one],
    [`fd.name endswith ${one.slice(-2)}`, ({ path }) => path.endsWith(one.slice(-2))],
    [`fd.name startswith /srv/p and evt.is_open_write = true`, ({ path, write }) => path.startsWith('/srv/p') && write],
  ]);
};

const execs = (random: Random, kills: boolean): Part<'exec'> => {
  const one = random.pick(PROGRAMS);
  const both: readonly Part<'exec'>[] = [
    [`proc.exepath = ${one}`, ({ path }) => path === one],
    ['proc.exepath startswith /tmp/', ({ path }) => path.startsWith('/tmp/')],
    ['proc.exepath endswith /guarded', ({ path }) => path.endsWith('/guarded')],
  ];
  return random.pick(
    kills ? [...both, ['proc.args contains evil', ({ evil }: { readonly evil: boolean }) => evil] as const] : both,
  );
};

const connects = (random: Random): Part<'connect'> => {
  const [to, at] = [random.pick(ADDRESSES), random.pick(PORTS)];
  return random.pick<Part<'connect'>>([
    [`fd.sip = ${to}`, ({ address }) => address === to],
    [`fd.sip = ${to} and fd.sport = ${at}`, ({ address, port }) => address === to && port === at],
    [`fd.sport in (${at}, 25)`, ({ port }) => port === at],
  ]);
};

/** More of the condition: about who does it, decided by what is known since its exec. */
const about = (random: Random): readonly [text: string, holds: (doer: Doer) => boolean] => {
  const name = random.pick(NAMES);
  return random.weighted([
    [6, ['', () => true]],
    [2, [` and proc.name = ${name}`, (doer: Doer) => doer.name === name]],
    [2, [` and not proc.name = ${name}`, (doer: Doer) => doer.name !== undefined && doer.name !== name]],
  ]);
};

const TYPES = { open: 'open, openat, openat2', exec: 'execve, execveat', connect: 'connect' } as const;

const inScope = (cgroup: string, scope: string): boolean => scope === '/' || `${cgroup}/`.startsWith(`${scope}/`);

/** A rule by chance: it denies, kills or, as a decoy, only alerts or only watches. */
const randomRule = (random: Random, name: string): RandomRule => {
  const kind = random.weighted<Deed['kind']>([
    [5, 'open'],
    [4, 'exec'],
    [2, 'connect'],
  ]);
  const action = random.weighted<Rule['action']>([
    [4, 'deny'],
    [5, 'kill'],
    [2, 'alert'],
  ]);
  const mode = random.chance(0.8) ? 'enforce' : 'monitor';
  const scope = random.pick(SCOPES);
  const [text, holds] = (
    kind === 'open' ? opens(random) : kind === 'exec' ? execs(random, action === 'kill') : connects(random)
  ) as Part<Deed['kind']>;
  // a denied exec knows nothing of its new program but its path
  const [more, byDoer] = kind === 'exec' && action !== 'kill' ? (['', () => true] as const) : about(random);
  const rule = ruleOf(name, `evt.type in (${TYPES[kind]}) and ${text}${more}`, {
    action,
    mode,
    scope: { cgroup: scope },
    priority: random.pick(['notice', 'critical']),
  });
  return {
    rule,
    kind,
    matches: (deed, doer) => deed.kind === kind && inScope(doer.cgroup, scope) && holds(deed, doer) && byDoer(doer),
  };
};

/** A rule that acts on whoever opens a file, so that no run goes by the guards. */
const broadRule = (action: 'deny' | 'kill'): RandomRule => {
  const rule = ruleOf('broad', `evt.type in (${TYPES.open}) and fd.name startswith /srv/p`, {
    action,
    mode: 'enforce',
    scope: { cgroup: '/' },
  });
  return { rule, kind: 'open', matches: (deed) => deed.kind === 'open' && deed.path.startsWith('/srv/p') };
};

/** The same rules, watching. */
export const watching = (rules: readonly RandomRule[]): readonly RandomRule[] =>
  rules.map((each) => ({ ...each, rule: { ...each.rule, mode: 'monitor' } }));

/** A policy by chance, of two to six rules, and a broad one where its action is given. */
export const randomRules = (random: Random, broad?: 'deny' | 'kill'): readonly RandomRule[] => [
  ...Array.from({ length: random.between(2, 6) }, (_, index) => randomRule(random, `rule ${index}`)),
  ...(broad ? [broadRule(broad)] : []),
];
