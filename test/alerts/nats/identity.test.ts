import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { expect, it, type TestContext } from 'vitest';
import type { NatsAddress } from '../../../alerts/index.ts';
import { parseServers } from '../../../alerts/nats/connection.ts';
import { createUserKey } from '../../../alerts/nats/nkey.ts';
import { authority } from '../../support/certificates.ts';
import { temporaryFolder } from '../../support/folder.ts';

type Files = Omit<NatsAddress, 'url'>;

/** What is wrong with the files of an address. */
const problemOf = (files: Files): string => {
  try {
    parseServers({ url: 'tls://127.0.0.1', ...files });
  } catch (error) {
    return (error as Error).message;
  }
  return 'nothing';
};

const write = (path: string, text: string | Buffer, mode = 0o600): string => {
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

const jwtOf = (claims: object): string =>
  [{ typ: 'JWT', alg: 'ed25519-nkey' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .concat('c2lnbmVk')
    .join('.');

const credsOf = (jwt: string, seed: string): string =>
  `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;

it.each([
  ['nkeyFile', 'the nkey'],
  ['credsFile', 'the credentials'],
  ['caFile', 'the certificate of the authority'],
] as const)('%s: a file that is missing, and a folder', (name, what) => {
  const folder = temporaryFolder();
  const missing = join(folder, 'missing');
  expect(problemOf({ [name]: missing })).toBe(`${what} ${missing} can't be read: there is no such file`);
  expect(problemOf({ [name]: folder })).toBe(`${what} ${folder} can't be read: it is a folder`);
});

it('an nkey that everybody may read', () => {
  const nkeyFile = write(join(temporaryFolder(), 'user.nk'), createUserKey().seed, 0o644);
  expect(problemOf({ nkeyFile })).toBe(
    `the nkey ${nkeyFile} may be read by everybody (mode 0644): "chmod 600 ${nkeyFile}", and make a new key if somebody may have read it`,
  );
  chmodSync(nkeyFile, 0o640);
  expect(problemOf({ nkeyFile })).toBe('nothing');
});

it('an nkey between comments and blank lines', () => {
  const nkeyFile = write(join(temporaryFolder(), 'user.nk'), `# web-1\n\n  ${createUserKey().seed} \n`);
  expect(problemOf({ nkeyFile })).toBe('nothing');
});

const { seed, publicKey } = createUserKey();

it.each([
  ['nothing', ''],
  ['only a comment', '# the seed goes here\n'],
  ['the public key', publicKey],
  ['a seed that lacks its end', seed.slice(0, -1)],
  ['a seed with another letter', `${seed.slice(0, 20)}${seed[20] === 'A' ? 'B' : 'A'}${seed.slice(21)}`],
  ["an account's seed", Buffer.from(nkeys.createAccount().getSeed())],
  ['bytes', Buffer.from([0xff, 0xfe, 0x00, 0x53])],
])('an nkey file with %s', (_, text) => {
  const nkeyFile = write(join(temporaryFolder(), 'user.nk'), text);
  expect(problemOf({ nkeyFile })).toBe(
    `the nkey ${nkeyFile} is no seed of a user: expected 58 characters that begin with SU`,
  );
});

it('credentials that are not complete, damaged, expired, or readable by everybody', () => {
  const path = join(temporaryFolder(), 'user.creds');
  const problem = (text: string, mode?: number) => problemOf({ credsFile: write(path, text, mode) });
  const incomplete = `the credentials ${path} are not complete: expected a user's JWT and nkey seed, each between BEGIN and END lines`;
  expect(problem('')).toBe(incomplete);
  expect(problem(seed)).toBe(incomplete);
  expect(problem(credsOf(jwtOf({}), publicKey))).toBe(incomplete);
  expect(problem(credsOf('not.a.JWT', seed))).toBe(`the credentials ${path} are damaged: their JWT can't be read`);
  expect(problem(credsOf(jwtOf({ exp: 1_700_000_000 }), seed))).toBe(
    `the credentials ${path} expired at 2023-11-14T22:13:20.000Z: get new ones from whoever issued them`,
  );
  expect(problem(credsOf(jwtOf({ exp: 0 }), seed))).toBe('nothing');
  expect(problem(credsOf(jwtOf({}), seed), 0o604)).toBe(
    `the credentials ${path} may be read by everybody (mode 0604): "chmod 600 ${path}", and make a new key if somebody may have read it`,
  );
});

it('certificates that are none, damaged or expired', (context: TestContext) => {
  const ca = authority(context);
  const path = join(temporaryFolder(), 'ca.pem');
  expect(problemOf({ caFile: write(path, seed) })).toBe(
    `the certificate of the authority ${path} holds no certificate: expected PEM (-----BEGIN CERTIFICATE-----)`,
  );
  const good = readFileSync(ca.cert, 'utf8');
  expect(problemOf({ caFile: write(path, good.slice(0, 200)) })).toBe(
    `the certificate of the authority ${path} can't be read: a certificate in it is damaged`,
  );
  const expired = ca.issue('expired', 'IP:127.0.0.1', -1);
  expect(problemOf({ caFile: write(path, `${good}${readFileSync(expired.cert, 'utf8')}`) })).toMatch(
    new RegExp(
      `^the certificate of the authority ${path} expired at \\w{3} [ \\d]\\d [\\d:]{8} \\d{4} GMT: get a new one from whoever issued it$`,
    ),
  );
  expect(problemOf({ caFile: ca.cert })).toBe('nothing');
});

it('a client certificate whose key is of another, is none, or everybody may read', (context: TestContext) => {
  const ca = authority(context);
  const [one, other] = [ca.issue('one', 'DNS:one'), ca.issue('other', 'DNS:other')];
  expect(problemOf({ certFile: one.cert, keyFile: one.key })).toBe('nothing');
  expect(problemOf({ certFile: one.cert, keyFile: other.key })).toBe(
    `the key ${other.key} does not belong to the certificate ${one.cert}`,
  );
  expect(problemOf({ certFile: one.cert, keyFile: one.cert.replace('one.pem', 'missing') })).toBe(
    `the client certificate's key ${one.cert.replace('one.pem', 'missing')} can't be read: there is no such file`,
  );
  const none = write(join(temporaryFolder(), 'none.key'), seed);
  expect(problemOf({ certFile: one.cert, keyFile: none })).toBe(
    `the client certificate's key ${none} is no private key in PEM without a passphrase`,
  );
  chmodSync(one.key, 0o644);
  expect(problemOf({ certFile: one.cert, keyFile: one.key })).toBe(
    `the client certificate's key ${one.key} may be read by everybody (mode 0644): "chmod 600 ${one.key}", and make a new key if somebody may have read it`,
  );
});

it('files that do not go together', () => {
  const folder = temporaryFolder();
  const [nkeyFile, credsFile] = [join(folder, 'user.nk'), join(folder, 'user.creds')];
  mkdirSync(nkeyFile);
  expect(problemOf({ nkeyFile, credsFile })).toBe(
    `an nkey (${nkeyFile}) and credentials (${credsFile}) exclude each other`,
  );
  expect(problemOf({ certFile: nkeyFile })).toBe(
    "a client's certificate and its private key are only of use together: give both",
  );
  expect(problemOf({ url: 'nats://me:secret@127.0.0.1', nkeyFile } as Files)).toBe(
    'credentials are in the URL and in a file; give one of them',
  );
});
