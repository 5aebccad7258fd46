import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { temporaryFolder } from './folder.ts';

/** A certificate and its private key, as files in PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** An authority of a test's own. */
export interface Authority {
  readonly cert: string;
  /** Issues a certificate for names such as `IP:127.0.0.1,DNS:localhost`; `days` below 0: it has expired. */
  issue(name: string, names: string, days?: number): CertificateFiles;
}

const hasOpenssl = (): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const openssl = (...args: readonly string[]): void => {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
};

/** A new authority in a temporary folder; skips the test where openssl is not installed. */
export const authority = (context: TestContext, title = 'test authority'): Authority => {
  context.skip(!hasOpenssl(), 'openssl is not installed');
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder, name);
  const newKey = (name: string): string => {
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at(name));
    chmodSync(at(name), 0o600);
    return at(name);
  };
  const [caKey, caCert] = [newKey('ca.key'), at('ca.pem')];
  openssl('req', '-x509', '-new', '-key', caKey, '-subj', `/CN=${title}`, '-days', '2', '-out', caCert);
  return {
    cert: caCert,
    issue: (name, names, days = 2) => {
      const [key, cert, request, extensions] = [
        newKey(`${name}.key`),
        at(`${name}.pem`),
        at('request'),
        at('extensions'),
      ];
      writeFileSync(extensions, `subjectAltName=${names}\n`);
      openssl('req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request);
      const signing = ['-CA', caCert, '-CAkey', caKey, '-CAcreateserial', '-days', String(days)];
      openssl('x509', '-req', '-in', request, ...signing, '-extfile', extensions, '-out', cert);
      return { cert, key };
    },
  };
};
