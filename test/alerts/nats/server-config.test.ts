import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect, createInbox, type NatsConnection, nkeyAuthenticator } from 'nats';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import { findNatsServer } from '../../../alerts/index.ts';
import { createUserKey, inboxPrefixOf, type UserKey } from '../../../alerts/nats/nkey.ts';
import { accountsConfig, type Roles, roleProblem, serverConfig } from '../../../alerts/nats/server-config.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

const STREAM = 'SHRIKE_ALERTS';
const SECRET = 'what host web-1 saw';

const NAMES = ['admin', 'web', 'web1', 'all', 'onlyWeb', 'watch'] as const;
type Name = (typeof NAMES)[number];

interface Wire {
  as(name: Name, options?: ConnectionOptions): Promise<NatsConnection>;
  readonly keys: Readonly<Record<Name, UserKey>>;
}

/** A real server with the written configuration: hosts `web` and `web-1`, one who reads all and one who reads `web` only, and a witness. */
const startWire = async (
  context: TestContext,
  change: (accounts: string) => string = (text) => text,
): Promise<Wire> => {
  const folder = temporaryFolder();
  const keys = Object.fromEntries(NAMES.map((name) => [name, createUserKey()])) as Record<Name, UserKey>;
  const roles: Roles = {
    admin: keys.admin.publicKey,
    agents: [
      { host: 'web', publicKey: keys.web.publicKey },
      { host: 'web-1', publicKey: keys.web1.publicKey },
    ],
    subscribers: [
      { name: 'all', publicKey: keys.all.publicKey },
      { name: 'only web', publicKey: keys.onlyWeb.publicKey, hosts: ['web'] },
    ],
    witness: { name: 'watch', publicKey: keys.watch.publicKey },
  };
  mkdirSync(join(folder, 'js'));
  const settings = { listen: '127.0.0.1:0', storeDir: join(folder, 'js') };
  writeFileSync(join(folder, 'nats-server.conf'), serverConfig(settings));
  writeFileSync(join(folder, 'accounts.conf'), change(accountsConfig(roles)));
  const { url } = await natsServer(context, {
    jetstream: false,
    arguments: ['-c', join(folder, 'nats-server.conf')],
  });
  const as = async (name: Name, options: ConnectionOptions = {}): Promise<NatsConnection> => {
    const { seed, publicKey } = keys[name];
    const connection = await connect({
      servers: url,
      authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)),
      inboxPrefix: inboxPrefixOf(publicKey),
      ...options,
    });
    onTestFinished(() => connection.close());
    return connection;
  };
  const admin = await as('admin');
  const manager = await admin.jetstreamManager({ checkAPI: false });
  await manager.streams.add({ name: STREAM, subjects: ['shrike.alerts.>'], allow_direct: true });
  return { as, keys };
};

interface Held {
  readonly subject: string;
  readonly text: string;
}

/** All that the stream holds, as its admin sees it; undefined where it is gone. */
const held = async (wire: Wire): Promise<readonly Held[]> => {
  const manager = await (await wire.as('admin')).jetstreamManager({ checkAPI: false });
  const { state } = await manager.streams.info(STREAM);
  const found: Held[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
    const message = await manager.streams.getMessage(STREAM, { seq });
    found.push({ subject: message.subject, text: message.string() });
  }
  return found;
};

/** Every API of JetStream and the system that the server's program names, filled in with what there is to get. */
const offeredSubjects = (): readonly string[] => {
  const program = readFileSync(findNatsServer()!).toString('latin1');
  const names =
    program.match(/\$(?:JS\.API|JS\.FC|JS\.ACK|JS\.SNAPSHOT|SYS|KV|OBJ|NRG|JSC)\.[A-Za-z0-9_.*>%]{1,60}/g) ?? [];
  const filled = new Set<string>();
  for (const name of names) {
    const cut = name.replace(/\.$/, '').replace(/%[a-z]/g, '*');
    for (const [one, other] of [
      [STREAM, 'reader'],
      [STREAM, '>'],
      [STREAM, 'shrike.alerts.web_1.>'],
    ] as const) {
      let index = 0;
      filled.add(cut.replace(/\*|>/g, () => (index++ === 0 ? one : other)));
    }
  }
  return [...filled];
};

const BODIES = [
  '',
  JSON.stringify({ seq: 1 }),
  JSON.stringify({ last_by_subj: 'shrike.alerts.web_1.>' }),
  JSON.stringify({ subjects_filter: '>' }),
] as const;

/** Requests for streams that would hold a copy of the alerts, take them in the stream's place, or hand them on. */
const wellFormedStreams = (name: string, inbox: string): readonly (readonly [string, string])[] => {
  const external = { api: '$JS.API', deliver: inbox };
  const copies = [
    { mirror: { name: STREAM } },
    { mirror: { name: STREAM, external } },
    { mirror: { name: STREAM, filter_subject: 'shrike.alerts.web_1.>', external: { ...external, api: 'shrike.api' } } },
    { sources: [{ name: STREAM }] },
    { sources: [{ name: STREAM, external }] },
    {
      sources: [
        { name: STREAM, filter_subject: 'shrike.alerts.web_1.>', external: { ...external, api: 'shrike.api' } },
      ],
    },
    { subjects: ['shrike.alerts.>'] },
    { subjects: ['shrike.alerts.>'], republish: { src: 'shrike.alerts.>', dest: `${inbox}.>` } },
  ];
  return copies.flatMap((copy) => {
    const body = JSON.stringify({ name, storage: 'memory', retention: 'limits', num_replicas: 1, ...copy });
    return ['CREATE', 'UPDATE'].map((verb) => [`STREAM.${verb}.${name}`, body] as const);
  });
};

const isLeak = (text: string): boolean => text.includes(SECRET) || text.includes('web_1.critical');

/** Tries everything as a user; gives what it got of web-1's, as sentences. */
const attack = async (wire: Wire, name: Name): Promise<readonly string[]> => {
  const connection = await wire.as(name);
  const got: string[] = [];
  const listen = (subject: string, queue?: string): void => {
    connection.subscribe(subject, {
      ...(queue !== undefined && { queue }),
      callback: (error, message) => {
        if (error === null && isLeak(`${message.string()} ${message.subject}`))
          got.push(`${subject}: ${message.subject}`);
      },
    });
  };
  const inbox = `${inboxPrefixOf(wire.keys[name].publicKey)}.loot`;
  for (const subject of [
    '>',
    '*',
    'shrike.>',
    '*.alerts.>',
    'shrike.alerts.>',
    'shrike.*.web_1.>',
    'shrike.alerts.*.*.*',
  ])
    listen(subject);
  listen('shrike.alerts.web_1.>', 'workers');
  for (const subject of ['_INBOX.>', `${inboxPrefixOf(wire.keys.web1.publicKey)}.>`, '$JS.>', '$SYS.>', '_R_.>'])
    listen(subject);
  listen(`${inbox}.>`);
  listen(inbox);
  const create = (filter: string, target: string, reader = 'reader'): string =>
    JSON.stringify({
      stream_name: STREAM,
      config: {
        name: reader,
        deliver_subject: target,
        filter_subject: filter,
        ack_policy: 'none',
        deliver_policy: 'all',
      },
    });
  const replies = [
    `${inbox}.1`,
    'shrike.alerts.web_1.critical.forged',
    `$JS.API.STREAM.PURGE.${STREAM}`,
    `$JS.API.STREAM.DELETE.${STREAM}`,
    `$JS.API.CONSUMER.CREATE.${STREAM}`,
    inboxPrefixOf(wire.keys.web1.publicKey),
  ];
  const targets = [inbox, ...replies];
  const streams = ['looted', STREAM].flatMap((stream) => wellFormedStreams(stream, inbox));
  for (const [subject, body] of streams) connection.publish(`$JS.API.${subject}`, body, { reply: `${inbox}.1` });
  for (const [index, target] of targets.entries())
    for (const filter of ['shrike.alerts.web.>', 'shrike.alerts.web_1.>', 'shrike.alerts.>'])
      connection.publish(
        `shrike.api.CONSUMER.CREATE.${STREAM}.aimed${index}.${filter}`,
        create(filter, target, `aimed${index}`),
        { reply: `${inbox}.1` },
      );
  await connection.flush();
  const bodies = [
    ...BODIES,
    create('shrike.alerts.web_1.>', inbox),
    create('', inbox),
    create('shrike.alerts.web.>', inbox),
  ];
  const prefixed = offeredSubjects().flatMap((subject) =>
    subject.startsWith('$JS.API.') ? [subject, subject.replace('$JS.API.', 'shrike.api.')] : [subject],
  );
  const own = `shrike.alerts.web.low.own`;
  const direct = `$JS.API.DIRECT.GET.${STREAM}`;
  const subjects = [
    ...prefixed,
    direct,
    `${direct}.shrike.alerts.web_1.>`,
    `${direct}.shrike.alerts.>`,
    `${direct}.>`,
    `${direct}.shrike.alerts.web.>`,
    `shrike.api.CONSUMER.CREATE.${STREAM}.reader.shrike.alerts.web.>`,
    `shrike.api.CONSUMER.CREATE.${STREAM}.reader.shrike.alerts.>`,
    'shrike.alerts.web_1.critical.forged',
    'shrike.alerts.*.critical.forged',
    'shrike.alerts.>',
    '>',
    `${inboxPrefixOf(wire.keys.web1.publicKey)}.forged`,
    'shrike.witness.web_1',
    'shrike.witness.*',
    '$KV.secrets.x',
    '$O.secrets.M.x',
  ];
  for (const reply of replies) {
    for (const body of bodies) {
      connection.publish(own, body, { reply });
      for (const subject of subjects) connection.publish(subject, body, { reply });
    }
    await connection.flush();
  }
  const web1 = await wire.as('web1');
  await web1.jetstream().publish('shrike.alerts.web_1.critical.late', SECRET);
  await connection.flush();
  await (await wire.as('admin')).flush();
  await connection.flush();
  await connection.close();
  return [...new Set(got)];
};

const forged = async (wire: Wire): Promise<readonly Held[]> =>
  (await held(wire)).filter(({ subject, text }) => subject.startsWith('shrike.alerts.web_1.') && text !== SECRET);
const genuine = async (wire: Wire): Promise<number> => (await held(wire)).filter(({ text }) => text === SECRET).length;

const streamNames = async (wire: Wire): Promise<readonly string[]> => {
  const manager = await (await wire.as('admin')).jetstreamManager({ checkAPI: false });
  return (await manager.streams.names().next()).toSorted();
};

const raise = async (wire: Wire): Promise<void> => {
  await (await wire.as('web1')).jetstream().publish('shrike.alerts.web_1.critical.first', SECRET);
};

it('lets an agent publish as itself and read its own last message', async (context) => {
  const wire = await startWire(context);
  await raise(wire);
  const web1 = await wire.as('web1');
  const last = await web1.request(`$JS.API.DIRECT.GET.${STREAM}.shrike.alerts.web_1.>`);
  expect(last.string()).toBe(SECRET);
  expect(await held(wire)).toEqual([{ subject: 'shrike.alerts.web_1.critical.first', text: SECRET }]);
});

it('lets a subscriber read what it is for, old and new', async (context) => {
  const wire = await startWire(context);
  await raise(wire);
  const all = await wire.as('all');
  const inbox = createInbox(inboxPrefixOf(wire.keys.all.publicKey));
  const got: string[] = [];
  all.subscribe(inbox, { callback: (_, message) => void got.push(message.string()) });
  const filter = 'shrike.alerts.*.*.*';
  const config = {
    name: 'r1',
    deliver_subject: inbox,
    filter_subject: filter,
    ack_policy: 'none',
    deliver_policy: 'all',
  };
  const body = JSON.stringify({ stream_name: STREAM, config });
  const answer = await all.request(`shrike.api.CONSUMER.CREATE.${STREAM}.r1.${filter}`, body);
  expect(answer.json()).toMatchObject({ name: 'r1' });
  await raise(wire);
  await until(() => got.length === 2);
  expect(got).toEqual([SECRET, SECRET]);
});

for (const name of ['web', 'onlyWeb', 'watch'] as const)
  it(`lets ${name} get nothing of web-1 and publish nothing as it`, async (context) => {
    const wire = await startWire(context);
    await (await wire.as('web')).jetstream().publish('shrike.alerts.web.low.first', 'of web itself');
    await raise(wire);
    expect(await attack(wire, name)).toEqual([]);
    expect(await forged(wire)).toEqual([]);
    expect(await genuine(wire)).toBe(2);
    expect(await streamNames(wire)).toEqual([STREAM]);
  });

/** What the witness is asked, by subject; it answers everything. */
const answering = async (wire: Wire): Promise<readonly string[]> => {
  const asked: string[] = [];
  const witness = await wire.as('watch');
  witness.subscribe('shrike.witness.*', {
    callback: (error, message) => {
      asked.push(error === null ? `${message.subject} ${message.string()}` : error.message);
      message.respond('cosigned');
    },
  });
  await witness.flush();
  return asked;
};

it('lets each agent ask the witness as itself, and nobody else hear of it', async (context) => {
  const wire = await startWire(context);
  const asked = await answering(wire);
  const [web, web1, all] = [await wire.as('web'), await wire.as('web1'), await wire.as('all')];
  const overheard: string[] = [];
  for (const connection of [web, all])
    for (const subject of ['shrike.witness.*', 'shrike.witness.web_1', 'shrike.>', '>', '_R_.>'])
      connection.subscribe(subject, {
        callback: (error, message) => void (error === null && overheard.push(message.subject)),
      });
  await Promise.all([web.flush(), all.flush()]);
  const answer = await web1.request('shrike.witness.web_1', 'of web-1', { timeout: 10_000 });
  expect(answer.string()).toBe('cosigned');
  for (const connection of [web, all])
    await expect(connection.request('shrike.witness.web_1', 'of somebody else')).rejects.toThrow(
      'Permissions Violation',
    );
  web1.publish('shrike.witness.web_1', 'with a reply elsewhere', { reply: 'shrike.alerts.web.critical.forged' });
  web1.publish('shrike.witness.web_1', 'with a reply elsewhere', { reply: 'shrike.witness.web' });
  await until(() => asked.length === 3);
  await Promise.all([web1.flush(), web.flush(), all.flush()]);
  expect(asked).toEqual([
    'shrike.witness.web_1 of web-1',
    'shrike.witness.web_1 with a reply elsewhere',
    'shrike.witness.web_1 with a reply elsewhere',
  ]);
  expect(overheard).toEqual([]);
  expect(await held(wire)).toEqual([]);
});

it('lets the witness publish its alarms as itself, and answer nobody who has not asked', async (context) => {
  const wire = await startWire(context);
  const witness = await wire.as('watch');
  await witness.jetstream().publish('shrike.alerts.watch.critical.audit_log_forked', SECRET);
  expect((await held(wire)).map(({ subject }) => subject)).toEqual(['shrike.alerts.watch.critical.audit_log_forked']);
  for (const subject of [
    'shrike.alerts.web.critical.forged',
    'shrike.witness.web',
    `${inboxPrefixOf(wire.keys.web.publicKey)}.1`,
    '_R_.abcdef.1',
    '$JS.API.STREAM.INFO.SHRIKE_ALERTS',
  ])
    await expect(witness.request(subject, '')).rejects.toThrow('Permissions Violation');
});

it('finds a permission that is too wide by the same attempts', async (context) => {
  const wire = await startWire(context, (accounts) => accounts.replaceAll('shrike.alerts.web.>', 'shrike.alerts.>'));
  await raise(wire);
  expect(await attack(wire, 'web')).not.toEqual([]);
  expect((await forged(wire)).length).toBeGreaterThan(0);
});

it('names hosts that could pass for one another', () => {
  const agent = (host: string) => ({ host, publicKey: 'U' });
  expect(roleProblem({ admin: 'U', agents: [agent('web-1'), agent('web.1')], subscribers: [] })).toBe(
    'the hosts "web-1" and "web.1" have the same name in subjects, web_1: either could pass for the other; rename one',
  );
  expect(roleProblem({ admin: 'U', agents: [agent('web'), agent('web-1')], subscribers: [] })).toBeUndefined();
  const witness = { name: 'Web.1', publicKey: 'U' };
  expect(roleProblem({ admin: 'U', agents: [agent('web-1')], subscribers: [], witness })).toBe(
    'the witness "Web.1" and the host "web-1" have the same name in subjects, web_1: either could pass for the other; rename one',
  );
});
