import type { Rule } from '../../rules/index.ts';
import type { Random } from '../support/random.ts';
import { ruleOf } from '../support/rules.ts';

/** What a task does, in the model's words. */
export type Deed =
  | { readonly kind: 'open'; readonly path: string; readonly write: boolean }
  | { readonly kind: 'exec'; readonly path: string; readonly evil: boolean }
  | { readonly kind: 'connect'; readonly address: string; readonly port: number }
  | { readonly kind: 'send'; readonly address: string; readonly port: number }
  | { readonly kind: 'bind'; readonly port: number }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'link'; readonly path: string; readonly to: string }
  | { readonly kind: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly kind: 'mount'; readonly path: string }
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'ptrace' }
  | { readonly kind: 'setuid'; readonly uid: number };

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
export const PORTS = [4443, 4444];
export const NEW_NAMES = ['/srv/q0', '/srv/q1'];
export const MOUNT_POINTS = ['/srv/m0', '/srv/m1'];
export const MODES = [0o600, 0o4755];
export const SIGNALS = [10, 15, 18];
export const UIDS = [33, 1000];
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

/** A call that the kernel asks a hook of its own about: the event types it counts as, and conditions on what it is about. */
type Asked = Exclude<Deed['kind'], 'open' | 'exec' | 'connect'>;

const ASKED: { readonly [Kind in Asked]: readonly [types: string, part: (random: Random) => Part<Kind>] } = {
  send: [
    'sendto, sendmsg',
    (random) => {
      const [to, at] = [random.pick(ADDRESSES), random.pick(PORTS)];
      return [`fd.sip = ${to} and fd.sport = ${at}`, ({ address, port }) => address === to && port === at];
    },
  ],
  bind: [
    'bind',
    (random) => {
      const at = random.pick(PORTS);
      return [`fd.sport = ${at}`, ({ port }) => port === at];
    },
  ],
  unlink: [
    'unlink, unlinkat',
    (random) => {
      const one = random.pick(OPENED);
      return [`fs.path.name = ${one}`, ({ path }) => path === one];
    },
  ],
  rename: [
    'rename, renameat, renameat2',
    (random) => {
      const [one, other] = [random.pick(OPENED), random.pick(NEW_NAMES)];
      return random.chance(0.5)
        ? [`fs.path.source = ${one}`, ({ path }) => path === one]
        : [`fs.path.target = ${other}`, ({ to }) => to === other];
    },
  ],
  link: [
    'link, linkat',
    (random) => {
      const one = random.pick(OPENED);
      return [`fs.path.source startswith ${one}`, ({ path }) => path === one];
    },
  ],
  chmod: [
    'chmod, fchmod, fchmodat',
    (random) => {
      const [one, bits] = [random.pick(OPENED), random.pick(MODES)];
      return random.chance(0.5)
        ? [`fs.path.name = ${one}`, ({ path }) => path === one]
        : [
            `fs.path.name startswith /srv/ and evt.arg.mode contains ${bits === 0o4755 ? 'S_ISUID' : 'S_IRUSR'}`,
            ({ mode }) => bits !== 0o4755 || mode === 0o4755,
          ];
    },
  ],
  mount: [
    'mount',
    (random) => {
      const one = random.pick(MOUNT_POINTS);
      return [`fs.path.target = ${one}`, ({ path }) => path === one];
    },
  ],
  signal: [
    'kill, tkill, tgkill',
    (random) => {
      const one = random.pick(SIGNALS);
      return [`evt.arg.sig = ${{ 10: 'SIGUSR1', 15: 'SIGTERM', 18: 'SIGCONT' }[one]}`, ({ signal }) => signal === one];
    },
  ],
  ptrace: [
    'ptrace',
    (random) => {
      const name = random.pick(NAMES);
      return [`proc.name = ${name}`, (_, doer) => doer.name === name];
    },
  ],
  setuid: [
    'setuid, setreuid, setresuid',
    (random) => {
      const one = random.pick(UIDS);
      return [`evt.arg.uid = ${one}`, ({ uid }) => uid === one];
    },
  ],
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

const KINDS = Object.keys(ASKED) as readonly Asked[];

const isAsked = (kind: Deed['kind']): kind is Asked => Object.hasOwn(ASKED, kind);

const partOf = (
  kind: Deed['kind'],
  random: Random,
  kills: boolean,
): readonly [types: string, ...Part<Deed['kind']>] => {
  if (isAsked(kind)) {
    const [types, part] = ASKED[kind];
    return [types, ...(part(random) as Part<Deed['kind']>)];
  }
  const part = kind === 'open' ? opens(random) : kind === 'exec' ? execs(random, kills) : connects(random);
  return [TYPES[kind], ...(part as Part<Deed['kind']>)];
};

const inScope = (cgroup: string, scope: string): boolean => scope === '/' || `${cgroup}/`.startsWith(`${scope}/`);

/** A rule by chance: it denies, kills or, as a decoy, only alerts or only watches. */
const randomRule = (random: Random, name: string): RandomRule => {
  const kind = random.weighted<Deed['kind']>([
    [5, 'open'],
    [4, 'exec'],
    [2, 'connect'],
    [9, random.pick(KINDS)],
  ]);
  const action = random.weighted<Rule['action']>([
    [4, 'deny'],
    [5, 'kill'],
    [2, 'alert'],
  ]);
  const mode = random.chance(0.8) ? 'enforce' : 'monitor';
  const scope = random.pick(SCOPES);
  const [types, text, holds] = partOf(kind, random, action === 'kill');
  // a denied exec knows nothing of its new program but its path
  const [more, byDoer] = kind === 'exec' && action !== 'kill' ? (['', () => true] as const) : about(random);
  const rule = ruleOf(name, `evt.type in (${types}) and ${text}${more}`, {
    policy: `of ${name}`,
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

/** Conditions that every call of a kind meets which a task here makes. */
const EVERY: { readonly [Kind in Asked]: string } = {
  send: `fd.sport in (${PORTS.join(', ')})`,
  bind: `fd.sport in (${PORTS.join(', ')})`,
  unlink: 'fs.path.name startswith /srv/',
  rename: 'fs.path.source startswith /srv/ and fs.path.target startswith /srv/',
  link: 'fs.path.source startswith /srv/',
  chmod: 'fs.path.name startswith /srv/',
  mount: 'fs.path.target startswith /srv/ and evt.arg.fstype = tmpfs',
  signal: 'evt.arg.sig in (SIGUSR1, SIGTERM, SIGCONT)',
  ptrace: `proc.name in (${NAMES.join(', ')})`,
  setuid: `evt.arg.uid in (${UIDS.join(', ')})`,
};

/** Rules that act on whoever makes calls of some of the other kinds. */
const broadRules = (random: Random, action: 'deny' | 'kill'): readonly RandomRule[] => {
  const kinds = new Set([0, 1, 2, 3].map(() => random.pick(KINDS)));
  return [...kinds].map((kind) => ({
    rule: ruleOf(`every ${kind}`, `evt.type in (${ASKED[kind][0]}) and ${EVERY[kind]}`, {
      policy: `of ${kind}`,
      action,
      mode: 'enforce',
      scope: { cgroup: '/' },
    }),
    kind,
    matches: (deed, doer) => deed.kind === kind && (kind !== 'ptrace' || NAMES.includes(doer.name ?? '')),
  }));
};

/** The same rules, watching. */
export const watching = (rules: readonly RandomRule[]): readonly RandomRule[] =>
  rules.map((each) => ({ ...each, rule: { ...each.rule, mode: 'monitor' } }));

/** A policy by chance, of two to eight rules with a mode and a scope each, and broad ones where their action is given. */
export const randomRules = (random: Random, broad?: 'deny' | 'kill'): readonly RandomRule[] => [
  ...Array.from({ length: random.between(2, 8) }, (_, index) => randomRule(random, `rule ${index}`)),
  ...(broad ? [broadRule(broad), ...broadRules(random, broad)] : []),
];
