import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createUserKey } from '../../alerts/nats/nkey.ts';
import { type NatsFiles, natsAddressOf } from '../../cli/nats-options.ts';
import { authority } from '../support/certificates.ts';
import { jsonLines, startProgram } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { inLargerSizes } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';

const URL = 'tls://nats.example.com';

const problemOf = (url: string | undefined, given: NatsFiles): string => {
  try {
    natsAddressOf(url, given);
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing';
};

const setEnvironment = (variables: Readonly<Record<string, string>>): void => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
};

it('gives the files with the servers, from the command line or else from the environment', () => {
  expect(natsAddressOf(URL, {})).toEqual({ url: URL });
  setEnvironment({ NATS_NKEY: 'e.nk', NATS_CA: 'e-ca.pem', NATS_CERT: 'e.pem', NATS_KEY: 'e.key', NATS_CREDS: '' });
  expect(natsAddressOf(URL, { natsCa: 'ca.pem' })).toEqual({
    url: URL,
    nkeyFile: 'e.nk',
    caFile: 'ca.pem',
    certFile: 'e.pem',
    keyFile: 'e.key',
  });
  expect(natsAddressOf(undefined, {})).toBeUndefined();
});

it('leaves out the key of the environment where credentials are given, and the other way round', () => {
  setEnvironment({ NATS_NKEY: 'e.nk' });
  expect(natsAddressOf(URL, { natsCreds: 'me.creds' })).toEqual({ url: URL, credsFile: 'me.creds' });
  setEnvironment({ NATS_CREDS: 'e.creds' });
  expect(natsAddressOf(URL, { natsNkey: 'me.nk' })).toEqual({ url: URL, nkeyFile: 'me.nk' });
});

it('names what does not go together', () => {
  const together = '--nats-cert (or NATS_CERT) and --nats-key (or NATS_KEY) are only of use together: give both';
  expect(problemOf(URL, { natsCert: 'a.pem' })).toBe(together);
  expect(problemOf(URL, { natsKey: 'a.key' })).toBe(together);
  expect(problemOf(URL, { natsNkey: 'a.nk', natsCreds: 'a.creds' })).toBe(
    '--nats-nkey (or NATS_NKEY) and --nats-creds (or NATS_CREDS) exclude each other',
  );
  expect(problemOf(undefined, { natsCa: 'ca.pem' })).toBe('--nats-ca is for --nats, which says where the servers are');
});

it.each([
  ['run', ['run', '--nats-nkey', 'a.nk'], '--nats-nkey is for --nats, which says where the servers are'],
  [
    'watch',
    ['watch', '--nats-creds', 'a', '--', 'true'],
    '--nats-creds is for --nats, which says where the servers are',
  ],
  [
    'alerts, with a file that is not there',
    ['alerts', '--nats', '127.0.0.1:1', '--nats-ca', '/nowhere/ca.pem'],
    "the certificate of the authority /nowhere/ca.pem can't be read: there is no such file",
  ],
])('wrong usage ends with exit code 2: %s', async (_, args, sentence) => {
  expect(await shrike(...args)).toEqual({ code: 2, stdout: '', stderr: `shrike: ${sentence}\n` });
});

it('publishes and prints over TLS with the files of options and of the environment', async (context) => {
  inLargerSizes(context);
  const ca = authority(context);
  const [agent, reader] = [createUserKey(), createUserKey()];
  const folder = temporaryFolder();
  const at = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const { cert, key } = ca.issue('server', 'IP:127.0.0.1');
  const config = [
    `tls: { cert_file: "${cert}", key_file: "${key}" }`,
    `authorization: { users: [ { nkey: ${agent.publicKey} }, { nkey: ${reader.publicKey} } ] }`,
  ].join('\n');
  const { port } = await natsServer(context, { arguments: ['-c', at('nats.conf', config)] });
  const url = `tls://127.0.0.1:${port}`;
  const [agentKey, readerKey] = [at('agent.nk', agent.seed), at('reader.nk', reader.seed)];
  const run = ['run', '--json', '--audit', join(folder, 'audit'), '--nats', url];
  const raised: string[] = [];
  // A run does not wait long for a slow server: another one publishes what is left.
  for (let pending = 1; pending > 0; ) {
    const { code, stdout } = await shrike(...run, '--nats-nkey', agentKey, '--nats-ca', ca.cert);
    expect(code).toBe(0);
    const lines = jsonLines(stdout) as readonly { readonly id?: string; readonly pending?: number }[];
    raised.push(...lines.flatMap(({ id }) => id ?? []));
    pending = lines.at(-1)?.pending ?? Number.NaN;
    expect(pending).toBeLessThanOrEqual(raised.length);
  }
  expect(raised.length).toBeGreaterThan(0);
  const read = ['alerts', '--nats', url, '--since', 'all', '--no-follow', '--json'];
  const { finished } = startProgram('main', read, { NATS_NKEY: readerKey, NATS_CA: ca.cert });
  const { code, stdout, stderr } = await finished;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect((jsonLines(stdout) as readonly { readonly id: string }[]).map(({ id }) => id)).toEqual(raised);
});
