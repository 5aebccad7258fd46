import { expect, it, onTestFinished, vi } from 'vitest';
import { type NatsFiles, natsAddressOf } from '../../cli/nats-options.ts';
import { shrike } from '../support/cli.ts';

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
    'alerts',
    ['alerts', '--nats-cert', 'a.pem'],
    '--nats-cert (or NATS_CERT) and --nats-key (or NATS_KEY) are only of use together: give both',
  ],
  [
    'run, a file that is not there',
    ['run', '--nats', '127.0.0.1:1', '--nats-nkey', '/nowhere/a.nk'],
    "the nkey /nowhere/a.nk can't be read: there is no such file",
  ],
  [
    'alerts, a file that is not there',
    ['alerts', '--nats', '127.0.0.1:1', '--nats-ca', '/nowhere/ca.pem'],
    "the certificate of the authority /nowhere/ca.pem can't be read: there is no such file",
  ],
])('wrong usage ends with exit code 2: %s', async (_, args, sentence) => {
  expect(await shrike(...args)).toEqual({ code: 2, stdout: '', stderr: `shrike: ${sentence}\n` });
});
