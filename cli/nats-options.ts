import { Option } from 'commander';
import type { NatsAddress } from '../alerts/index.ts';
import { CliError, EXIT } from './exit.ts';

/** Files that say who one is at a NATS server, as options of a command. */
export interface NatsFiles {
  readonly natsNkey?: string;
  readonly natsCreds?: string;
  readonly natsCa?: string;
  readonly natsCert?: string;
  readonly natsKey?: string;
}

/** Each with its flag, its environment variable (those of NATS's own command line tool) and what it is. */
const FILES = {
  natsNkey: ['--nats-nkey', 'NATS_NKEY', "seed of this user's nkey"],
  natsCreds: ['--nats-creds', 'NATS_CREDS', "this user's credentials: JWT and seed"],
  natsCa: ['--nats-ca', 'NATS_CA', "certificates of the authorities behind the servers' (default: those of Node.js)"],
  natsCert: ['--nats-cert', 'NATS_CERT', 'certificate of this client, where servers ask for one'],
  natsKey: ['--nats-key', 'NATS_KEY', "private key of this client's certificate"],
} as const satisfies Record<keyof NatsFiles, readonly [string, string, string]>;

const NAMES = Object.keys(FILES) as readonly (keyof NatsFiles)[];

export const natsFileOptions = (): readonly Option[] =>
  NAMES.map((name) => {
    const [flag, variable, what] = FILES[name];
    return new Option(`${flag} <file>`, `${what} (env: ${variable})`);
  });

const named = (name: keyof NatsFiles): string => `${FILES[name][0]} (or ${FILES[name][1]})`;

/** A key on the command line puts the environment's other kind of key out of force. */
const fromEnvironment = (name: keyof NatsFiles, given: NatsFiles): string | undefined => {
  const hasOther =
    (name === 'natsNkey' && given.natsCreds !== undefined) || (name === 'natsCreds' && given.natsNkey !== undefined);
  return hasOther ? undefined : process.env[FILES[name][1]] || undefined;
};

/**
 * The servers with the files that are given or in the environment; undefined without servers.
 * @throws CliError for files that don't go together, or without servers
 */
export const natsAddressOf = (url: string | undefined, given: NatsFiles): NatsAddress | undefined => {
  const wrong = (message: string): never => {
    throw new CliError(message, EXIT.usage);
  };
  if (url === undefined) {
    const useless = NAMES.find((name) => given[name] !== undefined);
    if (useless !== undefined) wrong(`${FILES[useless][0]} is for --nats, which says where the servers are`);
    return undefined;
  }
  const file = (name: keyof NatsFiles): string | undefined => given[name] ?? fromEnvironment(name, given);
  const [nkeyFile, credsFile, caFile] = [file('natsNkey'), file('natsCreds'), file('natsCa')];
  const [certFile, keyFile] = [file('natsCert'), file('natsKey')];
  if (nkeyFile !== undefined && credsFile !== undefined)
    wrong(`${named('natsNkey')} and ${named('natsCreds')} exclude each other`);
  if ((certFile === undefined) !== (keyFile === undefined))
    wrong(`${named('natsCert')} and ${named('natsKey')} are only of use together: give both`);
  return {
    url,
    ...(nkeyFile !== undefined && { nkeyFile }),
    ...(credsFile !== undefined && { credsFile }),
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
  };
};
