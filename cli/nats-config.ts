import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { keyFileOf, makeAlertStream, type Wanted, type Written, writeConfigFolder } from '../alerts/index.ts';
import { PRIORITIES, type Priority } from '../rules/index.ts';
import { CliError, EXIT, messageOf } from './exit.ts';
import { type NatsFiles, natsAddressOf } from './nats-options.ts';
import { type Output, openStdout } from './output.ts';

type Subscriber = Wanted['subscribers'][number];

interface NatsConfigOptions {
  readonly host?: readonly string[];
  readonly subscriber?: readonly Subscriber[];
  readonly witness?: string;
  readonly remove?: readonly string[];
  readonly listen?: string;
  readonly store?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly force?: boolean;
  readonly makeStream?: string;
  readonly natsCa?: string;
  readonly natsCert?: string;
  readonly natsKey?: string;
}

const DEFAULT_LISTEN = '127.0.0.1:4222';
const DEFAULT_STORE = '/var/lib/nats';

const HELP = `
Writes a configuration of nats-server in which each host's agent can publish only as itself and read nothing but its own last alert,
and each subscriber reads only what it is for; each has a key (nkey) of its own. With --witness each agent may also ask the witness, as
itself, and the witness may answer and publish its alarms as a host of its own name. Call it again to add hosts and subscribers: keys
that are there stay. The server needs nats-server.conf and accounts.conf; keys/ and roles.json stay with whoever administers it.

A subscriber is NAME, NAME=HOST,HOST for some hosts, NAME/PRIORITY,PRIORITY for some priorities, or both: NAME=HOST/PRIORITY.
--host NAME --force makes a new key for a host (or subscriber) and puts the old one out of force, as --remove does for good.

Examples:
  shrike nats-config wire --host web-1 --host db-1 --subscriber soc      a new configuration with its keys
  shrike nats-config wire --make-stream nats://127.0.0.1:4222            once the server runs: makes the stream, as its admin
  shrike nats-config wire --host web-2 --subscriber pager/critical,alert,emergency
  shrike nats-config wire --witness watch-1                              who cosigns the audit logs
  shrike nats-config wire --host web-1 --force                           a new key for a host
  shrike nats-config wire --listen 0.0.0.0:4222 --tls-cert server.pem --tls-key server.key
`;

const nameOf = (text: string): string => {
  if (text.trim() === '') throw new InvalidArgumentError('Expected a name.');
  return text;
};

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, nameOf(text)];

const subscriberOf = (text: string, before: readonly Subscriber[] = []): readonly Subscriber[] => {
  const [, name, hosts, priorities] = /^([^=/]+)(?:=([^/]+))?(?:\/(.+))?$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('Expected NAME, NAME=HOST,HOST or NAME/PRIORITY,PRIORITY.');
  const wrong = priorities?.split(',').find((each) => !PRIORITIES.some((known) => known === each));
  if (wrong !== undefined)
    throw new InvalidArgumentError(`"${wrong}" is no priority; there are ${PRIORITIES.join(', ')}.`);
  return [
    ...before,
    {
      name,
      ...(hosts !== undefined && { hosts: hosts.split(',') }),
      ...(priorities !== undefined && { priorities: priorities.split(',') as Priority[] }),
    },
  ];
};

/** What to do with what was written. */
const printWritten = (folder: string, { configuration, keys }: Written, url: string, output: Output): void => {
  for (const file of configuration) output.line(`wrote ${join(folder, file)}`);
  for (const { what, name, file } of keys)
    output.line(
      `wrote ${join(folder, file)}, ${what === 'admin' ? 'the key of the admin' : `the key of the ${what} ${name}`}`,
    );
  output.line();
  output.line('Next:');
  output.line(`  copy ${configuration.join(' and ')} to the server, then start it, or let it read them again:`);
  output.line(`    nats-server -c ${join(folder, 'nats-server.conf')}`);
  output.line(
    '    nats-server --signal reload      twice, a second apart: what is new has its rights from the second one on',
  );
  if (keys.some(({ what }) => what === 'admin'))
    output.line(`  make the stream, once:\n    shrike nats-config ${folder} --make-stream ${url}`);
  for (const { what, name, file } of keys) {
    const path = join(folder, file);
    if (what === 'host')
      output.line(
        `  on ${name}: copy ${path} there (mode 0600), and\n    shrike run --nats ${url} --nats-nkey ${path} --host ${name}`,
      );
    if (what === 'witness')
      output.line(
        `  for the witness ${name}: copy ${path} to its host (mode 0600), and\n    shrike witness --nats ${url} --nats-nkey ${path} --name ${name} --state FOLDER --keys FOLDER`,
      );
    if (what === 'subscriber')
      output.line(
        `  for ${name}: hand over ${path} (mode 0600), and\n    shrike alerts --nats ${url} --nats-nkey ${path}`,
      );
  }
};

/** Writes or changes a configuration, or makes the stream as its admin. Fails with a CliError. */
export const natsConfig = async (folder: string, options: NatsConfigOptions, output: Output): Promise<void> => {
  const { tlsCert, tlsKey, tlsCa, listen, store, makeStream } = options;
  const wrong = (message: string): never => {
    throw new CliError(message, EXIT.usage);
  };
  if (makeStream !== undefined) {
    const files: NatsFiles = { ...options, natsNkey: join(folder, keyFileOf('admin', 'admin')) };
    const address = natsAddressOf(makeStream, files);
    try {
      if (address !== undefined) output.line(`the stream ${await makeAlertStream(address)} is there`);
    } catch (error) {
      throw new CliError(messageOf(error), EXIT.environment);
    }
    return;
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    wrong('--tls-cert and --tls-key are only of use together: give both');
  if (tlsCa !== undefined && tlsCert === undefined) wrong('--tls-ca needs --tls-cert and --tls-key, too');
  const settings = {
    listen: listen ?? DEFAULT_LISTEN,
    storeDir: store ?? DEFAULT_STORE,
    ...(tlsCert !== undefined &&
      tlsKey !== undefined && {
        tls: {
          cert: resolve(tlsCert),
          key: resolve(tlsKey),
          ...(tlsCa !== undefined && { clientCa: resolve(tlsCa) }),
        },
      }),
  };
  let written: Written;
  try {
    written = writeConfigFolder(folder, {
      hosts: options.host ?? [],
      subscribers: options.subscriber ?? [],
      witness: options.witness,
      without: options.remove ?? [],
      settings,
      changesSettings: [listen, store, tlsCert].some((given) => given !== undefined),
      force: options.force ?? false,
    });
  } catch (error) {
    return wrong(messageOf(error));
  }
  const url = `${tlsCert === undefined ? 'nats' : 'tls'}://${settings.listen.replace(/^0\.0\.0\.0:/, 'SERVER:')}`;
  printWritten(folder, written, url, output);
};

export const addNatsConfig = (program: Command): void => {
  program
    .command('nats-config')
    .summary("write a NATS server's configuration and the keys of agents and subscribers")
    .description("Write a NATS server's configuration, and the keys of agents and subscribers.")
    .argument('<folder>', 'of the configuration and its keys; made where there is none')
    .option('--host <name>', 'a host whose agent publishes; may be given again', collect)
    .option('--subscriber <subscriber>', 'somebody who reads alerts; may be given again', subscriberOf)
    .option('--witness <name>', 'who cosigns the audit logs of all hosts ("shrike witness --name")', nameOf)
    .option(
      '--remove <name>',
      'a host, subscriber or witness whose key is to be worth nothing; may be given again',
      collect,
    )
    .option('--listen <address>', `where the server listens (default: ${DEFAULT_LISTEN})`)
    .option('--store <folder>', `JetStream's folder on the server (default: ${DEFAULT_STORE})`)
    .option('--tls-cert <file>', "the server's certificate (PEM), as a path on the server")
    .option('--tls-key <file>', 'its private key')
    .option('--tls-ca <file>', 'clients need a certificate of this authority, too')
    .option('--force', 'new keys for those who have one, a new nats-server.conf where its options are given')
    .option('--make-stream <url>', 'make the stream of alerts on this server, as the admin, and write nothing')
    .option('--nats-ca <file>', "with --make-stream: the authority behind the server's certificate")
    .option('--nats-cert <file>', 'with --make-stream: a certificate of this client')
    .option('--nats-key <file>', 'with --make-stream: its private key')
    .addHelpText('after', HELP)
    .action((folder: string, options: NatsConfigOptions) => natsConfig(folder, options, openStdout()));
};
