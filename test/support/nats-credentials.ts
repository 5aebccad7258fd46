import { randomUUID } from 'node:crypto';
import { nkeys } from 'nats';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const part = (value: Uint8Array | object): string =>
  Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url');

/** A JWT as NATS has it (ADR-14): claims that `issuer` signs for `subject`. */
const signed = (issuer: KeyPair, subject: KeyPair, name: string, nats: object, exp?: number): string => {
  const iat = Math.floor(Date.now() / 1000);
  const [iss, sub] = [issuer.getPublicKey(), subject.getPublicKey()];
  const claims = { jti: randomUUID(), iat, iss, sub, name, nats: { ...nats, version: 2 }, ...(exp && { exp }) };
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part(claims)}`;
  return `${text}.${part(issuer.sign(new TextEncoder().encode(text)))}`;
};

const UNLIMITED = { subs: -1, data: -1, payload: -1 };

/** An operator's account: what a server's configuration says of it, and credentials of its users. */
export interface CredentialsIssuer {
  readonly config: string;
  /** The text of a credentials file; `exp` in seconds since 1970. */
  issue(name: string, exp?: number): string;
}

export const credentialsIssuer = (): CredentialsIssuer => {
  const [operator, account] = [nkeys.createOperator(), nkeys.createAccount()];
  const limits = { ...UNLIMITED, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true };
  const accountJwt = signed(operator, account, 'account', { type: 'account', limits });
  return {
    config: [
      `operator: ${signed(operator, operator, 'operator', { type: 'operator' })}`,
      'resolver: MEMORY',
      `resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
      '',
    ].join('\n'),
    issue: (name, exp) => {
      const user = nkeys.createUser();
      const jwt = signed(account, user, name, { type: 'user', pub: {}, sub: {}, ...UNLIMITED }, exp);
      const seed = new TextDecoder().decode(user.getSeed());
      return [
        ...['-----BEGIN NATS USER JWT-----', jwt, '------END NATS USER JWT------', ''],
        ...['-----BEGIN USER NKEY SEED-----', seed, '------END USER NKEY SEED------', ''],
      ].join('\n');
    },
  };
};
