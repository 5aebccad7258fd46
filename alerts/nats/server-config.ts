import { PRIORITIES, type Priority } from '../../rules/index.ts';
import { inboxPrefixOf } from './nkey.ts';
import { ALL_ALERTS, ALL_WITNESS_SUBJECTS, hostSubject, subjectToken, witnessSubject } from './subject.ts';

export const STREAM = 'SHRIKE_ALERTS';
/** Where a subscriber that has an account of its own finds the part of JetStream's API that it may use. */
export const SUBSCRIBER_API = 'shrike.api';
/** The account with the stream. */
const ALERTS_ACCOUNT = 'ALERTS';

/** A host's agent: it publishes this host's alerts and nothing else. */
interface AgentRole {
  readonly host: string;
  readonly publicKey: string;
}

/** Whoever reads alerts. */
interface SubscriberRole {
  readonly name: string;
  readonly publicKey: string;
  /** Left out: of all hosts. */
  readonly hosts?: readonly string[] | undefined;
  /** Left out: of all priorities. */
  readonly priorities?: readonly Priority[] | undefined;
}

/** Whoever cosigns the agents' audit logs: it answers their requests, and publishes its alarms as a host of its own. */
interface WitnessRole {
  readonly name: string;
  readonly publicKey: string;
}

/** Who may use a server, each by an nkey's public key. */
export interface Roles {
  /** Makes the stream, and may do everything with it. */
  readonly admin: string;
  readonly agents: readonly AgentRole[];
  readonly subscribers: readonly SubscriberRole[];
  readonly witness?: WitnessRole | undefined;
}

/** What a role may do: subjects with NATS's wildcards. */
interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Answers what it is asked, once a request. */
  readonly answers?: boolean;
}

/** A subject of another account that a role's own account takes part in. */
interface Share {
  readonly kind: 'service' | 'stream';
  readonly subject: string;
  /** Under which name, where another than its own. */
  readonly to?: string;
  /** Whose, where not the one with the stream. */
  readonly of?: string;
}

const inboxOf = (publicKey: string): string => `${inboxPrefixOf(publicKey)}.>`;

const publisherShares = (host: string): readonly Share[] => [
  { kind: 'service', subject: hostSubject(host) },
  { kind: 'service', subject: `$JS.API.DIRECT.GET.${STREAM}.${hostSubject(host)}` },
];

const agentShares = ({ host }: AgentRole, witness: WitnessRole | undefined): readonly Share[] => [
  ...publisherShares(host),
  ...(witness === undefined
    ? []
    : [{ kind: 'service', subject: witnessSubject(host), of: witnessAccount(witness) } as const]),
];

const witnessAccount = ({ name }: WitnessRole): string => `WITNESS_${subjectToken(name)}`;

const witnessPermissions = (role: WitnessRole): Permissions => {
  const { publish, subscribe } = permissionsOf(role.publicKey, publisherShares(role.name));
  return { publish, subscribe: [...subscribe, ALL_WITNESS_SUBJECTS], answers: true };
};

/** The subjects of all that a subscriber may read. */
const readableSubjects = ({ hosts, priorities }: SubscriberRole): readonly string[] => {
  if (hosts === undefined && priorities === undefined) return [ALL_ALERTS];
  if (priorities === undefined) return (hosts ?? []).map(hostSubject);
  const eachHost: readonly (string | undefined)[] = hosts ?? [undefined];
  return eachHost.flatMap((host) =>
    priorities.map((priority) => `shrike.alerts.${host === undefined ? '*' : subjectToken(host)}.${priority}.*`),
  );
};

const subscriberShares = (role: SubscriberRole): readonly Share[] => [
  ...readableSubjects(role).map((filter): Share => {
    const request = `CONSUMER.CREATE.${STREAM}.*.${filter}`;
    return { kind: 'service', subject: `$JS.API.${request}`, to: `${SUBSCRIBER_API}.${request}` };
  }),
  { kind: 'service', subject: `$JS.FC.${STREAM}.>` },
  { kind: 'stream', subject: inboxOf(role.publicKey) },
];

const permissionsOf = (publicKey: string, shares: readonly Share[]): Permissions => ({
  publish: shares.filter(({ kind }) => kind === 'service').map(({ subject, to }) => to ?? subject),
  subscribe: [inboxOf(publicKey)],
});

const adminPermissions = (publicKey: string): Permissions => ({
  publish: ['$JS.API.>'],
  subscribe: [inboxOf(publicKey)],
});

const witnessProblem = (agents: readonly AgentRole[], witness: WitnessRole | undefined): string | undefined => {
  const token = subjectToken(witness?.name ?? '');
  const host = agents.find((agent) => subjectToken(agent.host) === token)?.host;
  return witness === undefined || host === undefined
    ? undefined
    : `the witness ${JSON.stringify(witness.name)} and the host ${JSON.stringify(host)} have the same name in subjects, ${token}: either could pass for the other; rename one`;
};

/** A name that can't be used beside the others, as a sentence; undefined where all can. */
export const roleProblem = ({ agents, subscribers, witness }: Roles): string | undefined => {
  const clash = (what: string, names: readonly string[]): string | undefined => {
    const owners = new Map<string, string>();
    for (const name of names) {
      const token = subjectToken(name);
      const owner = owners.get(token);
      if (owner !== undefined && owner !== name)
        return `the ${what} ${JSON.stringify(owner)} and ${JSON.stringify(name)} have the same name in subjects, ${token}: either could pass for the other; rename one`;
      if (owner !== undefined) return `the ${what} ${JSON.stringify(name)} is there twice`;
      owners.set(token, name);
    }
    return undefined;
  };
  const wrong = subscribers.flatMap(({ priorities }) => priorities ?? []).find((name) => !PRIORITIES.includes(name));
  if (wrong !== undefined) return `${wrong} is no priority; there are ${PRIORITIES.join(', ')}`;
  return (
    clash(
      'hosts',
      agents.map(({ host }) => host),
    ) ??
    witnessProblem(agents, witness) ??
    clash(
      'subscribers',
      subscribers.map(({ name }) => name),
    )
  );
};

const quoted = (text: string): string => JSON.stringify(text);
const list = (subjects: readonly string[]): string => `[${subjects.map(quoted).join(', ')}]`;

/** Answers go where the request says, once, and within this. */
const ANSWERS = ', allow_responses: { max: 1, expires: "1m" }';

const userLines = (publicKey: string, { publish, subscribe, answers }: Permissions): readonly string[] => [
  '    users: [{',
  `      nkey: ${publicKey}`,
  `      permissions: { publish: { allow: ${list(publish)} }, subscribe: { allow: ${list(subscribe)} }${answers ? ANSWERS : ''} }`,
  '    }]',
];

const importLine = ({ kind, subject, to, of }: Share): string =>
  `      { ${kind}: { account: ${of ?? ALERTS_ACCOUNT}, subject: ${quoted(subject)} }${to === undefined ? '' : `, to: ${quoted(to)}`} }`;

const ownAccount = (
  comment: string,
  account: string,
  publicKey: string,
  shares: readonly Share[],
  permissions: Permissions = permissionsOf(publicKey, shares),
  exports: readonly string[] = [],
): readonly string[] => [
  '',
  `  # ${comment}`,
  `  ${account}: {`,
  ...userLines(publicKey, permissions),
  ...(exports.length === 0 ? [] : ['    exports: [', ...exports, '    ]']),
  '    imports: [',
  ...shares.map(importLine),
  '    ]',
  '  }',
];

const agentAccount = ({ host }: AgentRole): string => `AGENT_${subjectToken(host)}`;
const subscriberAccount = ({ name }: SubscriberRole): string => `SUBSCRIBER_${subjectToken(name)}`;

/** A name in a comment: on its line, whatever is in it. */
const commented = (text: string): string => JSON.stringify(text);

const reads = ({ hosts, priorities }: SubscriberRole): string =>
  `${hosts === undefined ? 'all hosts' : hosts.map(commented).join(', ')}${priorities === undefined ? '' : `; only ${priorities.join(', ')}`}`;

/**
 * The `accounts` of a nats-server's configuration. Each role but the admin's has an account of its own, because the server doesn't check
 * where an answer goes: whoever may publish or ask for anything can name any subject of its account as the reply's.
 */
export const accountsConfig = (roles: Roles): string => {
  const { witness } = roles;
  const agents = roles.agents.map((role) => ({
    account: agentAccount(role),
    shares: agentShares(role, witness),
    role,
  }));
  const subscribers = roles.subscribers.map((role) => ({
    account: subscriberAccount(role),
    shares: subscriberShares(role),
    role,
  }));
  const witnesses =
    witness === undefined ? [] : [{ account: witnessAccount(witness), shares: publisherShares(witness.name) }];
  const exports = [...agents, ...subscribers, ...witnesses].flatMap(({ account, shares }) =>
    shares.filter(({ of }) => of === undefined).map((share) => ({ ...share, account })),
  );
  const asked = agents.map(
    ({ account, role }) => `      { service: ${quoted(witnessSubject(role.host))}, accounts: [${account}] }`,
  );
  const accountsOf = new Map<string, string[]>();
  for (const { kind, subject, account } of exports) {
    const key = `${kind}: ${quoted(subject)}`;
    accountsOf.set(key, [...(accountsOf.get(key) ?? []), account]);
  }
  return [
    '# Written by "shrike nats-config": written anew by each call, so change it by that, then reload the server.',
    'accounts: {',
    '  # The stream; its admin makes it and may do everything with it.',
    `  ${ALERTS_ACCOUNT}: {`,
    '    jetstream: enabled',
    ...userLines(roles.admin, adminPermissions(roles.admin)),
    '    exports: [',
    ...[...accountsOf].map(([share, accounts]) => `      { ${share}, accounts: [${accounts.join(', ')}] }`),
    '    ]',
    '  }',
    ...agents.flatMap(({ account, shares, role }) =>
      ownAccount(`The agent of ${commented(role.host)}`, account, role.publicKey, shares),
    ),
    ...(witness === undefined
      ? []
      : ownAccount(
          `The witness ${commented(witness.name)}: it is asked by agents, each as itself, and publishes its alarms`,
          witnessAccount(witness),
          witness.publicKey,
          publisherShares(witness.name),
          witnessPermissions(witness),
          asked,
        )),
    ...subscribers.flatMap(({ account, shares, role }) =>
      ownAccount(`The subscriber ${commented(role.name)}: ${reads(role)}`, account, role.publicKey, shares),
    ),
    '}',
    '',
  ].join('\n');
};

/** What a server's own part of the configuration says. */
export interface ServerSettings {
  /** `host:port`. */
  readonly listen: string;
  /** JetStream's folder on the server. */
  readonly storeDir: string;
  readonly tls?:
    | {
        readonly cert: string;
        readonly key: string;
        /** Clients then need a certificate of this authority, too. */
        readonly clientCa?: string | undefined;
      }
    | undefined;
}

/** A nats-server's configuration, which includes `accounts.conf` beside it. */
export const serverConfig = ({ listen, storeDir, tls }: ServerSettings): string =>
  [
    '# Written by "shrike nats-config"; yours to change. Who may do what is in accounts.conf.',
    'server_name: shrike',
    `listen: ${quoted(listen)}`,
    ...(tls === undefined
      ? []
      : [
          'tls: {',
          `  cert_file: ${quoted(tls.cert)}`,
          `  key_file: ${quoted(tls.key)}`,
          ...(tls.clientCa === undefined ? [] : [`  ca_file: ${quoted(tls.clientCa)}`, '  verify: true']),
          '  timeout: 5',
          '}',
        ]),
    `jetstream: { store_dir: ${quoted(storeDir)} }`,
    '# Bytes of one message: an alert that is larger stays in the audit log of its host.',
    'max_payload: 1MB',
    'include ./accounts.conf',
    '',
  ].join('\n');
