import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PRIORITIES } from '../../rules/index.ts';
import { createUserKey } from './nkey.ts';
import { accountsConfig, type Roles, roleProblem, type ServerSettings, serverConfig } from './server-config.ts';
import { subjectToken } from './subject.ts';

const FOLDER_MODE = 0o700;
const KEY_MODE = 0o600;
const ROLES_FILE = 'roles.json';
const SERVER_FILE = 'nats-server.conf';
const ACCOUNTS_FILE = 'accounts.conf';

/** Whose a key is. */
type KeyOwner = 'admin' | 'host' | 'subscriber' | 'witness';

const ROLES = z.object({
  admin: z.string(),
  agents: z.array(z.object({ host: z.string(), publicKey: z.string() })),
  subscribers: z.array(
    z.object({
      name: z.string(),
      publicKey: z.string(),
      hosts: z.array(z.string()).optional(),
      priorities: z.array(z.enum(PRIORITIES)).optional(),
    }),
  ),
  witness: z.object({ name: z.string(), publicKey: z.string() }).optional(),
});

/** Who is to have a key. */
export interface Wanted {
  readonly hosts: readonly string[];
  readonly subscribers: readonly Omit<Roles['subscribers'][number], 'publicKey'>[];
  /** The witness's name; left out: it stays as it is. */
  readonly witness?: string | undefined;
  /** Those whose keys are to be worth nothing from now on. */
  readonly without: readonly string[];
  /** Left out: `nats-server.conf` stays as it is where there is one. */
  readonly settings: ServerSettings;
  readonly changesSettings: boolean;
  /** Makes new keys for hosts and subscribers that have one, and a new `nats-server.conf` where settings are given. */
  readonly force: boolean;
}

/** What was written: paths within the folder. */
export interface Written {
  readonly configuration: readonly string[];
  readonly keys: readonly {
    readonly what: KeyOwner;
    readonly name: string;
    readonly file: string;
  }[];
}

/** The key's file within the folder. */
export const keyFileOf = (what: KeyOwner, name: string): string =>
  join('keys', what === 'admin' ? 'admin.nk' : `${what}-${subjectToken(name)}.nk`);

const readRoles = (folder: string): Roles | undefined => {
  const path = join(folder, ROLES_FILE);
  if (!existsSync(path)) return undefined;
  try {
    return ROLES.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    throw new Error(`${path} is damaged: it says who has which key; put back a copy, or begin in a new folder`);
  }
};

/** A file appears whole or not at all. */
const replace = (path: string, text: string, mode: number): void => {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
};

const withMember = <T>(members: readonly T[], member: T, isSame: (one: T) => boolean): readonly T[] =>
  members.some(isSame) ? members.map((one) => (isSame(one) ? member : one)) : [...members, member];

/**
 * Writes a server's configuration and keys into a folder, or adds to those that are there. Keys that are there stay as they are.
 * @throws Error with a sentence, before anything is written
 */
export const writeConfigFolder = (folder: string, wanted: Wanted): Written => {
  const { hosts, subscribers, witness, without, settings, changesSettings, force } = wanted;
  const before = readRoles(folder);
  const fresh: { what: KeyOwner; name: string; seed: string; replaces: boolean }[] = [];
  const newKey = (what: KeyOwner, name: string, replaces: boolean): string => {
    if (replaces && !force)
      throw new Error(
        `the ${what} ${JSON.stringify(name)} has a key already (${join(folder, keyFileOf(what, name))}); leave it out, or give --force for a new key in its place`,
      );
    const { seed, publicKey } = createUserKey();
    fresh.push({ what, name, seed, replaces });
    return publicKey;
  };
  const known = [
    ...(before?.agents ?? []).map(({ host }) => host),
    ...(before?.subscribers ?? []).map(({ name }) => name),
    ...(before?.witness === undefined ? [] : [before.witness.name]),
  ];
  const stranger = without.find((name) => !known.includes(name));
  if (stranger !== undefined)
    throw new Error(
      `there is no host, subscriber or witness ${JSON.stringify(stranger)} in ${join(folder, ROLES_FILE)}`,
    );
  let roles: Roles = {
    admin: before?.admin ?? newKey('admin', 'admin', false),
    agents: (before?.agents ?? []).filter(({ host }) => !without.includes(host)),
    subscribers: (before?.subscribers ?? []).filter(({ name }) => !without.includes(name)),
    witness: without.includes(before?.witness?.name ?? '') ? undefined : before?.witness,
  };
  if (witness !== undefined && roles.witness !== undefined && roles.witness.name !== witness)
    throw new Error(
      `the witness is ${JSON.stringify(roles.witness.name)} already, and agents have one; take it out with --remove to have another`,
    );
  const problem = roleProblem({
    ...roles,
    agents: [...new Set([...roles.agents.map(({ host }) => host), ...hosts])].map((host) => ({ host, publicKey: '' })),
    subscribers: [
      ...roles.subscribers.filter(({ name }) => subscribers.every((each) => each.name !== name)),
      ...subscribers.map((each) => ({ ...each, publicKey: '' })),
    ],
    witness: witness === undefined ? roles.witness : { name: witness, publicKey: '' },
  });
  if (problem !== undefined) throw new Error(problem);
  for (const host of new Set(hosts)) {
    const isSame = (one: { readonly host: string }): boolean => one.host === host;
    const publicKey = newKey('host', host, roles.agents.some(isSame));
    roles = { ...roles, agents: withMember(roles.agents, { host, publicKey }, isSame) };
  }
  for (const subscriber of subscribers) {
    const isSame = ({ name }: { readonly name: string }): boolean => name === subscriber.name;
    const publicKey = newKey('subscriber', subscriber.name, roles.subscribers.some(isSame));
    roles = { ...roles, subscribers: withMember(roles.subscribers, { ...subscriber, publicKey }, isSame) };
  }
  if (witness !== undefined)
    roles = {
      ...roles,
      witness: { name: witness, publicKey: newKey('witness', witness, roles.witness !== undefined) },
    };
  const hasServer = existsSync(join(folder, SERVER_FILE));
  if (hasServer && changesSettings && !force)
    throw new Error(
      `${join(folder, SERVER_FILE)} is there already; change it by hand, or give --force to write it anew`,
    );
  const orphan = fresh.find(
    ({ what, name, replaces }) => !replaces && !force && existsSync(join(folder, keyFileOf(what, name))),
  );
  if (orphan !== undefined)
    throw new Error(
      `${join(folder, keyFileOf(orphan.what, orphan.name))} is there already and nobody's in ${ROLES_FILE}; move it away, or give --force to write it anew`,
    );

  mkdirSync(join(folder, 'keys'), { recursive: true, mode: FOLDER_MODE });
  for (const { what, name, seed } of fresh) replace(join(folder, keyFileOf(what, name)), `${seed}\n`, KEY_MODE);
  replace(join(folder, ROLES_FILE), `${JSON.stringify(roles, undefined, 2)}\n`, 0o644);
  replace(join(folder, ACCOUNTS_FILE), accountsConfig(roles), 0o644);
  const writesServer = !hasServer || changesSettings;
  if (writesServer) replace(join(folder, SERVER_FILE), serverConfig(settings), 0o644);
  return {
    configuration: [...(writesServer ? [SERVER_FILE] : []), ACCOUNTS_FILE],
    keys: fresh.map(({ what, name }) => ({ what, name, file: keyFileOf(what, name) })),
  };
};
