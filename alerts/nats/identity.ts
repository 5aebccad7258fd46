import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { ConnectionOptions } from 'nats';
import { natsClient } from './client.ts';
import { inboxPrefixOf, publicKeyOf } from './nkey.ts';

/** How to reach NATS servers, and the files that say who one is there. */
export interface NatsAddress {
  /** URLs separated by commas: `nats://127.0.0.1:4222`, `tls://nats.example.com`. */
  readonly url: string;
  /** The seed of a user's nkey (`SU...`). */
  readonly nkeyFile?: string;
  /** A user's JWT and seed, as nsc and `nats` write them. */
  readonly credsFile?: string;
  /** Certificates (PEM) of the authorities that the servers' certificates must come from; default: those that Node.js comes with. */
  readonly caFile?: string;
  /** This client's certificate and private key (PEM), where servers ask for one. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

type IdentityFiles = Omit<NatsAddress, 'url'>;
type Identity = Pick<ConnectionOptions, 'authenticator' | 'inboxPrefix' | 'tls'>;

const READABLE_BY_OTHERS = 0o004;

const read = (path: string, what: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'this user may not read it' : message;
    throw new Error(`${what} ${path} can't be read: ${why}`);
  }
};

/** Reads a file that nobody else should: refuses it where everybody may read it, as ssh does. */
const readSecret = (path: string, what: string): string => {
  const text = read(path, what);
  const mode = statSync(path).mode & 0o777;
  if ((mode & READABLE_BY_OTHERS) === 0) return text;
  throw new Error(
    `${what} ${path} may be read by everybody (mode ${mode.toString(8).padStart(4, '0')}): "chmod 600 ${path}", and make a new key if somebody may have read it`,
  );
};

const nkeyIdentity = (path: string): Identity => {
  const seed = readSecret(path, 'the nkey')
    .split('\n')
    .map((line) => line.trim())
    .find((line) => line !== '' && !line.startsWith('#'));
  const publicKey = publicKeyOf(seed ?? '');
  if (seed === undefined || publicKey === undefined)
    throw new Error(`the nkey ${path} is no seed of a user: expected 58 characters that begin with SU`);
  return {
    authenticator: natsClient().nkeyAuthenticator(new TextEncoder().encode(seed)),
    inboxPrefix: inboxPrefixOf(publicKey),
  };
};

const credsIdentity = (path: string): Identity => {
  const text = readSecret(path, 'the credentials');
  const [jwt, seed] = [...text.matchAll(/-{3,}BEGIN[^\n]*-{3,}\s+(\S+)\s+-{3,}END/g)].map(([, part]) => part);
  const publicKey = publicKeyOf(seed ?? '');
  if (jwt === undefined || publicKey === undefined)
    throw new Error(
      `the credentials ${path} are not complete: expected a user's JWT and nkey seed, each between BEGIN and END lines`,
    );
  return {
    authenticator: natsClient().credsAuthenticator(new TextEncoder().encode(text)),
    inboxPrefix: inboxPrefixOf(publicKey),
  };
};

const BEGIN_CERTIFICATE = '-----BEGIN CERTIFICATE-----';

/** The certificates of a PEM file; fails with a sentence where there are none, or one has expired. */
const readCertificates = (path: string, what: string): string => {
  const text = read(path, what);
  const pems = text.split(/(?=-----BEGIN CERTIFICATE-----)/).filter((part) => part.startsWith(BEGIN_CERTIFICATE));
  if (pems.length === 0) throw new Error(`${what} ${path} holds no certificate: expected PEM (${BEGIN_CERTIFICATE})`);
  for (const pem of pems) {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(pem);
    } catch {
      throw new Error(`${what} ${path} can't be read: a certificate in it is damaged`);
    }
    if (Date.parse(certificate.validTo) < Date.now())
      throw new Error(`${what} ${path} expired at ${certificate.validTo}: get a new one from whoever issued it`);
  }
  return text;
};

const readClientCertificate = (certFile: string, keyFile: string) => {
  const cert = readCertificates(certFile, 'the client certificate');
  const key = readSecret(keyFile, "the client certificate's key");
  let fits = false;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new Error(`the client certificate's key ${keyFile} is no private key in PEM without a passphrase`);
  }
  if (!fits) throw new Error(`the key ${keyFile} does not belong to the certificate ${certFile}`);
  return { cert, key };
};

/**
 * Checks for whom a server's certificate is. The client gives no name for a server whose URL has an IP address, which Node.js takes for
 * `localhost`: one of the addresses has to be in the certificate then.
 */
const identityChecker =
  (hosts: readonly string[]) =>
  (name: string, certificate: PeerCertificate): Error | undefined => {
    const addresses = hosts.filter((host) => isIP(host) !== 0);
    if (name !== 'localhost' || hosts.includes('localhost') || addresses.length === 0)
      return checkServerIdentity(name, certificate);
    const problems = addresses.map((address) => checkServerIdentity(address, certificate));
    return problems.includes(undefined) ? undefined : problems[0];
  };

/**
 * Reads the files of an address.
 * @param hosts the names and addresses of the servers
 * @param secure whether the servers must offer TLS; certificates that are given say so too
 * @throws Error with a sentence that names the file and the remedy
 */
export const readIdentity = (files: IdentityFiles, hosts: readonly string[], secure: boolean): Identity => {
  const { nkeyFile, credsFile, caFile, certFile, keyFile } = files;
  if (nkeyFile !== undefined && credsFile !== undefined)
    throw new Error(`an nkey (${nkeyFile}) and credentials (${credsFile}) exclude each other`);
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new Error("a client's certificate and its private key are only of use together: give both");
  const wantsTls = secure || caFile !== undefined || certFile !== undefined;
  const tls = {
    ...(caFile !== undefined && { ca: readCertificates(caFile, 'the certificate of the authority') }),
    ...(certFile !== undefined && keyFile !== undefined && readClientCertificate(certFile, keyFile)),
    checkServerIdentity: identityChecker(hosts),
  };
  return {
    ...(nkeyFile !== undefined && nkeyIdentity(nkeyFile)),
    ...(credsFile !== undefined && credsIdentity(credsFile)),
    ...(wantsTls && { tls }),
  };
};
